import 'reflect-metadata';

import { X509Certificate, webcrypto } from 'node:crypto';
import type { Clock, Random } from '@coffer/kernel';
import { Secret } from '@coffer/kernel';
import * as x509 from '@peculiar/x509';
import type { ClusterTls } from '../cluster.ts';
import { nodeName } from './node-name.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** RFC 5280, section 4.1.2.2 allows at most 20; 16 random bytes are unique without a register. */
const SERIAL_BYTES = 16;
/** The authority lives in the barrier as long as its cluster does. */
const CA_LIFE_MS = 30 * 365 * 86_400_000;
/** How long a node's own certificate is good for at most; it signs itself another well before. */
export const LEAF_LIFE_MS = 48 * 3_600_000;
/** So far may the clocks of two nodes be apart. */
const BACKDATE_MS = 3_600_000;

/** What a node shows to its peers. */
export interface NodeCertificate {
  /** PEM, the leaf alone. */
  readonly certificate: string;
  /** PKCS #8 PEM. It never leaves the process. */
  readonly key: Secret<string>;
  readonly notAfterMs: number;
}

/** Makes the certificate authority of a new cluster: ECDSA on P-256, restricted to signing leaves. */
export async function createClusterTls(clock: Clock, random: Random): Promise<ClusterTls> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const nowMs = clock.nowMs();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(random),
      name: `CN=coffer cluster ${random.uuid()}`,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + CA_LIFE_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  return { caCertificate: certificate.toString('pem'), caKey: new Secret(await exportKey(keys.privateKey)) };
}

/**
 * Signs a certificate for a node, with a fresh key: `<nodeId>.coffer.internal` as the only name, for both ends of a
 * connection, backdated by an hour.
 *
 * @param lifeMs how long it is good for
 * @throws RangeError if the node id cannot stand in a certificate
 */
export async function issueNodeCertificate(
  tls: ClusterTls,
  nodeId: string,
  clock: Clock,
  random: Random,
  lifeMs = LEAF_LIFE_MS,
): Promise<NodeCertificate> {
  const name = nodeName(nodeId);
  const authority = new x509.X509Certificate(certificatesOf(tls.caCertificate)[0] ?? '');
  const signingKey = await importKey(tls.caKey.reveal());
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const nowMs = clock.nowMs();
  const notAfterMs = nowMs + lifeMs;
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(random),
      issuer: authority.subject,
      subject: '',
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(notAfterMs),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth], true),
        // An empty subject makes the alternative name critical (RFC 5280, section 4.2.1.6).
        new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }], true),
        await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return {
    certificate: certificate.toString('pem'),
    key: new Secret(await exportKey(keys.privateKey)),
    notAfterMs,
  };
}

/** The certificates of a bundle in PEM, one by one. */
export function certificatesOf(bundle: string): readonly string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
}

/** Certificates in PEM as one text. */
export function bundleOf(...certificates: readonly string[]): string {
  return certificates.map((certificate) => `${certificate.trimEnd()}\n`).join('');
}

/** SHA-256 of a certificate (PEM), in hexadecimal. */
export function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Hexadecimal, positive: the top bit is clear and the next one set, so that the length is always the same. */
function serialNumber(random: Random): string {
  const bytes = random.bytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new RangeError('the key of the cluster authority is not PEM');
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}
