import { systemClock } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import type { ListenerConfig, ServerConfig } from '../server-config/server-config.ts';
import { checkAdvertisedAddresses, checkListenAddresses } from './check-addresses.ts';
import { checkListenerTls } from './check-certificates.ts';
import { checkStorage } from './check-storage.ts';
import { ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const PARSE = 'Parse Configuration';

/**
 * Checks what a configuration asks of this machine, without starting a server and without changing anything: files,
 * certificates, addresses, storage. Listens for a moment on every address.
 *
 * @param clock tells which certificates have expired
 */
export async function diagnoseConfig(config: ServerConfig, clock: Clock = systemClock): Promise<readonly Finding[]> {
  const nowMs = clock.nowMs();
  return [
    ...checkNotes(config),
    ...checkStorage(config.storage, config.apiAddr, nowMs),
    ...checkAdvertisedAddresses(config),
    ...(await checkListenAddresses(config.listeners)),
    ...config.listeners.flatMap((listener) => checkListener(listener, nowMs)),
  ];
}

function checkNotes({ notes }: ServerConfig): readonly Finding[] {
  if (notes.length === 0) return [ok(PARSE, 'every key is known and in effect')];
  return notes.map(({ key, file, position, kind }) => {
    const where = `${file}:${String(position.line)}:${String(position.column)}`;
    return kind === 'unknown'
      ? warn(PARSE, `${where}: "${key}" is unknown and ignored`, 'Check its spelling, or take it out.')
      : warn(PARSE, `${where}: "${key}" is not in effect`, 'Do not rely on it.');
  });
}

function checkListener({ address, tls, forwardedFor }: ListenerConfig, nowMs: number): readonly Finding[] {
  const findings: Finding[] = [];
  if (tls) findings.push(...checkListenerTls(address, tls, nowMs));
  else
    findings.push(
      warn(
        'Check Listener TLS',
        `${address}: TLS is off, so that tokens and secrets travel in the clear`,
        'Set tls_cert_file and tls_key_file, unless a proxy on this machine ends TLS.',
      ),
    );
  if (forwardedFor?.authorizedCidrs.some((cidr) => cidr.endsWith('/0')))
    findings.push(
      warn(
        'Check Listener Proxies',
        `${address}: every client may say in X-Forwarded-For who it is`,
        'Name only your proxies in x_forwarded_for_authorized_addrs.',
      ),
    );
  return findings;
}
