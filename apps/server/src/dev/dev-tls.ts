import { webcrypto } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Random } from '@coffer/kernel';
// x509 registers its services by decorators, which need the metadata API first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const LIFE_MS = 365 * 86_400_000;
const BACKDATE_MS = 3_600_000;

/** A certificate for a development server, and the file with the authority that signed it. PEM. */
export interface DevCertificate {
  readonly cert: string;
  readonly key: string;
  readonly caFile: string;
}

/** Makes an authority and a certificate for this machine; files as `vault server -dev-tls` leaves them. */
export async function devCertificate(
  folder: string | undefined,
  clock: Clock,
  random: Random,
): Promise<DevCertificate> {
  const at = folder ?? mkdtempSync(join(tmpdir(), 'coffer-tls-'));
  mkdirSync(at, { recursive: true });
  const notBefore = new Date(clock.nowMs() - BACKDATE_MS);
  const notAfter = new Date(clock.nowMs() + LIFE_MS);
  const serial = (): string => Buffer.from(random.bytes(16)).toString('hex').replace(/^./, '1');
  const authorityKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=Coffer development CA',
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys: authorityKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    issuer: authority.subject,
    subject: 'CN=localhost',
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
  const cert = leaf.toString('pem');
  const caFile = join(at, 'vault-ca.pem');
  writeFileSync(caFile, authority.toString('pem'));
  writeFileSync(join(at, 'vault-cert.pem'), cert);
  writeFileSync(join(at, 'vault-key.pem'), key, { mode: 0o600 });
  return { cert, key, caFile };
}
