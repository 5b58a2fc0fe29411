import { randomBytes, webcrypto } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// x509 registers its services by decorators, which need the metadata API first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { User } from './server-program.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

/** Files in PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Of the authority that signed it. */
  readonly caFile: string;
}

/** What a database server needs for TLS, readable by the user that it runs as. */
export interface ServerTls {
  issuedFor(user: User | undefined): CertificateFiles;
}

/** A certificate authority of a test, and what it signed, in a folder of its own. */
export class TestAuthority {
  readonly folder: string;
  readonly caFile: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: x509.X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
    this.folder = mkdtempSync(join(tmpdir(), 'coffer-authority-'));
    chmodSync(this.folder, 0o755);
    this.caFile = join(this.folder, 'ca.pem');
    writeFileSync(this.caFile, certificate.toString('pem'));
  }

  static async create(): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      ...validity(),
      name: 'CN=Authority of a test',
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new TestAuthority(keys, certificate);
  }

  /** For servers and clients alike. @param host a DNS name or, of digits and dots, an address */
  async issue(commonName: string, host = '127.0.0.1'): Promise<CertificateFiles & ServerTls> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(),
      issuer: this.#certificate.subject,
      subject: `CN=${commonName}`,
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: /^[\d.]+$/.test(host) ? 'ip' : 'dns', value: host }]),
      ],
    });
    const name = join(this.folder, `${commonName}-${randomBytes(4).toString('hex')}`);
    const files = { certFile: `${name}.pem`, keyFile: `${name}.key`, caFile: this.caFile };
    writeFileSync(files.certFile, certificate.toString('pem'));
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    writeFileSync(files.keyFile, x509.PemConverter.encode(der, 'PRIVATE KEY'), { mode: 0o600 });
    return {
      ...files,
      issuedFor: (user) => {
        if (user) chownSync(files.keyFile, user.uid, user.gid);
        return files;
      },
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function validity(): { readonly serialNumber: string; readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return {
    serialNumber: `1${randomBytes(15).toString('hex')}`,
    notBefore: new Date(nowMs - HOUR_MS),
    notAfter: new Date(nowMs + 24 * HOUR_MS),
  };
}
