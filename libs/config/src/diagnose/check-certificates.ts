import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { ListenerTls } from '../server-config/server-config.ts';
import { codeOf } from '../error-code.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const DAY_MS = 86_400_000;
/** A certificate that ends within so many days is worth a word. */
const SOON_DAYS = 30;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificate, its key and the CA of a listener; tells nothing of the key. */
export function checkListenerTls(address: string, tls: ListenerTls, nowMs: number): readonly Finding[] {
  const name = 'Check Listener TLS';
  const findings = [...checkPair(name, tls.certFile, tls.keyFile, nowMs)];
  if (tls.minVersion === 'TLSv1' || tls.minVersion === 'TLSv1.1')
    findings.push(
      warn(
        name,
        `${address}: tls_min_version allows ${tls.minVersion}, which is broken`,
        'Set it to "tls12" or "tls13".',
      ),
    );
  if (tls.clientCaFile !== undefined) findings.push(...checkCa(name, tls.clientCaFile, nowMs));
  else if (tls.requireClientCert)
    findings.push(
      warn(
        name,
        `${address}: client certificates are required, and any public authority may have signed them`,
        'Name your own authority in tls_client_ca_file.',
      ),
    );
  return findings;
}

/** A certificate and the key that belongs to it, both in PEM files. */
export function checkPair(name: string, certFile: string, keyFile: string, nowMs: number): readonly Finding[] {
  const certificates = readCertificates(name, certFile);
  const key = readKey(name, keyFile);
  if ('status' in certificates) return 'status' in key ? [certificates, key] : [certificates];
  if ('status' in key) return [key];
  const [leaf] = certificates.found;
  if (!leaf?.checkPrivateKey(key.found))
    return [
      fail(
        name,
        `${keyFile} is not the key of ${certFile}`,
        'Put the pair that was made together; of a chain the server’s own certificate comes first.',
      ),
    ];
  const findings = certificates.found.map((certificate) => checkValidity(name, certFile, certificate, nowMs));
  if (leaf.subjectAltName === undefined)
    findings.push(
      warn(
        name,
        `${certFile} names no host in its subject alternative names`,
        'Clients refuse it: issue one with them.',
      ),
    );
  return [...findings, ...checkSecrecy(name, keyFile)];
}

/** Certificates of authorities. */
export function checkCa(name: string, file: string, nowMs: number): readonly Finding[] {
  const certificates = readCertificates(name, file);
  if ('status' in certificates) return [certificates];
  const findings = certificates.found.map((certificate) => checkValidity(name, file, certificate, nowMs));
  if (!certificates.found.some(({ ca }) => ca))
    findings.push(warn(name, `${file} holds no certificate of an authority`, 'Put the one that signs here.'));
  return findings;
}

function readText(name: string, file: string): Finding | string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return fail(
      name,
      `${file} cannot be read: ${codeOf(error)}`,
      'Check the path and the rights of the server’s user.',
    );
  }
}

function readCertificates(name: string, file: string): Finding | { readonly found: readonly X509Certificate[] } {
  const text = readText(name, file);
  if (typeof text !== 'string') return text;
  try {
    const found = (text.match(CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
    if (found.length > 0) return { found };
  } catch {
    // Said below: what OpenSSL says does not help a person.
  }
  return fail(name, `${file} holds no certificate that can be read`, 'It must be PEM: -----BEGIN CERTIFICATE-----.');
}

function readKey(name: string, file: string): Finding | { readonly found: KeyObject } {
  const text = readText(name, file);
  if (typeof text !== 'string') return text;
  try {
    return { found: createPrivateKey(text) };
  } catch {
    return fail(
      name,
      `${file} holds no private key that can be read`,
      'It must be PEM, and not be protected by a passphrase.',
    );
  }
}

function checkValidity(name: string, file: string, certificate: X509Certificate, nowMs: number): Finding {
  const { validFrom, validTo } = certificate;
  const subject = certificate.subject.replaceAll('\n', ', ');
  const what = `${file} (${subject === '' ? 'no subject' : subject})`;
  if (Date.parse(validFrom) > nowMs)
    return fail(name, `${what} is not valid before ${validFrom}`, 'Check this machine’s clock, or wait.');
  const daysLeft = (Date.parse(validTo) - nowMs) / DAY_MS;
  if (daysLeft < 0) return fail(name, `${what} expired on ${validTo}`, 'Renew it.');
  if (daysLeft < SOON_DAYS)
    return warn(name, `${what} expires on ${validTo}`, 'Renew it, and send the server SIGHUP to have it read.');
  return ok(name, `${what} is valid until ${validTo}`);
}

function checkSecrecy(name: string, file: string): readonly Finding[] {
  if (process.platform === 'win32' || (statSync(file).mode & 0o007) === 0) return [];
  return [warn(name, `${file} can be read by every user of this machine`, 'Run chmod 600, or 640, on it.')];
}
