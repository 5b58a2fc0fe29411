import { parametersOf } from './remote-settings.ts';
import type { DatabaseSettings, RemoteSettings } from './remote-settings.ts';

/** Of this machine: nobody is on the way. */
const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;
const UNVERIFIED: ReadonlySet<string> = new Set(['no-verify', 'prefer', 'require']);

/** What an operator should know of how the databases of a node are reached, each once. */
export function connectionCautions(
  { data, lock }: RemoteSettings,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return [...new Set([data, lock ?? data])].flatMap((database) => connectionCaution(database, env) ?? []);
}

/** The same of one database; names no host, user or password. */
export function connectionCaution(
  database: DatabaseSettings,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  return database.kind === 'etcd'
    ? cautionOfEtcd(database.settings.addresses)
    : cautionOfPostgresql(database.settings.connectionUrl, env);
}

function cautionOfEtcd(addresses: readonly string[]): string | undefined {
  const plain = addresses.some(
    (address) => address.startsWith('http:') && !LOCAL.test(URL.parse(address)?.hostname ?? ''),
  );
  return plain
    ? 'etcd is reached without TLS: who is on the way can read passwords, and change what is stored'
    : undefined;
}

function cautionOfPostgresql(
  connectionUrl: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const parameters = parametersOf(connectionUrl);
  const host = parameters.get('host') ?? URL.parse(connectionUrl)?.hostname ?? '';
  if (host === '' || decodeURIComponent(host).startsWith('/') || LOCAL.test(host)) return undefined;
  const mode = parameters.get('sslmode') ?? (parameters.has('ssl') ? 'verify-full' : (env['PGSSLMODE'] ?? 'disable'));
  if (mode === 'disable')
    return 'PostgreSQL is reached without TLS: who is on the way can change what is stored (sslmode=verify-full in connection_url)';
  const verified = mode !== 'no-verify' && !(parameters.get('uselibpqcompat') === 'true' && UNVERIFIED.has(mode));
  return verified
    ? undefined
    : `PostgreSQL's certificate is not verified (sslmode=${mode}): who is on the way can take its place`;
}
