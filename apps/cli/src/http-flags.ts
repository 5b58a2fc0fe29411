import type { ClientSettings } from '@coffer/api-client';
import { accessSync, constants, existsSync } from 'node:fs';
import { durationText, truthOf } from './flags.ts';
import type { FlagSpec, FlagValues } from './flags.ts';
import { DurationError, parseDuration } from './go-duration.ts';
import { reason } from './key-values.ts';

/** Flags of every command that talks to the server. */
export const HTTP_FLAGS: readonly FlagSpec[] = [
  {
    name: 'address',
    kind: 'text',
    value: 'string',
    help: 'Address of the server. This can also be specified via the COFFER_ADDR or VAULT_ADDR environment variable.',
  },
  { name: 'agent-address', kind: 'text', value: 'string', help: 'Address of the agent.', hidden: true },
  {
    name: 'ca-cert',
    kind: 'text',
    value: 'string',
    help: "Path of a PEM-encoded CA certificate to verify the server's certificate.",
  },
  { name: 'ca-path', kind: 'text', value: 'string', help: 'Path of a directory of PEM-encoded CA certificates.' },
  { name: 'client-cert', kind: 'text', value: 'string', help: 'Path of a PEM-encoded client certificate.' },
  { name: 'client-key', kind: 'text', value: 'string', help: 'Path of the PEM-encoded key of the client certificate.' },
  { name: 'tls-server-name', kind: 'text', value: 'string', help: 'Name to ask for when connecting via TLS.' },
  { name: 'tls-skip-verify', kind: 'bool', help: "Do not verify the server's certificate." },
  { name: 'disable-redirects', kind: 'bool', help: 'Do not follow redirects.' },
  {
    name: 'header',
    kind: 'map',
    value: 'string',
    help: 'Key-value pair to send as a header: -header=key=value; may be given several times.',
  },
  { name: 'mfa', kind: 'texts', value: 'string', help: 'Credentials of a second factor.' },
  { name: 'namespace', kind: 'text', value: 'string', help: 'The namespace to use for the command.', aliases: ['ns'] },
  { name: 'non-interactive', kind: 'bool', help: 'Never ask for input.' },
  { name: 'output-curl-string', kind: 'bool', help: 'Print an equivalent cURL command string and exit.' },
  { name: 'output-policy', kind: 'bool', help: 'Print an example policy for the command and exit.' },
  { name: 'policy-override', kind: 'bool', help: 'Override soft-mandatory policies.' },
  { name: 'unlock-key', kind: 'text', value: 'string', help: 'Key to unlock a namespace API lock.' },
  {
    name: 'wrap-ttl',
    kind: 'duration',
    value: 'duration',
    help: 'Wrap the response in a cubbyhole token with this TTL.',
  },
];

type Environment = Readonly<Record<string, string | undefined>>;

/** Our own names before Vault's. */
export const fromEnvironment = (env: Environment, name: string): string | undefined =>
  env[`COFFER_${name}`] || env[`VAULT_${name}`] || undefined;

/** What is wrong with how the server is to be reached: flags, the environment, files. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

/**
 * Flags before the environment.
 *
 * @param token from the environment or of the last login
 * @throws SetupError
 */
export function clientSettings(flags: FlagValues, env: Environment, token: string | undefined): ClientSettings {
  const text = (flag: string, name: string): string | undefined => flags.text(flag) || fromEnvironment(env, name);
  const fromEnv = environmentSettings(env);
  const tls = {
    caCertFile: text('ca-cert', 'CACERT'),
    caCertPem: flags.has('ca-cert') ? undefined : fromEnvironment(env, 'CACERT_BYTES'),
    caPath: text('ca-path', 'CAPATH'),
    clientCertFile: text('client-cert', 'CLIENT_CERT'),
    clientKeyFile: text('client-key', 'CLIENT_KEY'),
  };
  checkTlsFiles(tls);
  const address = addressOf(text('agent-address', 'AGENT_ADDR') ?? text('address', 'ADDR') ?? 'https://127.0.0.1:8200');
  const wrapTtl = flags.duration('wrap-ttl');
  return {
    address,
    token: token?.trim() || undefined,
    namespace: namespaceOf(flags.text('namespace') ?? fromEnvironment(env, 'NAMESPACE')),
    wrapTtl: wrapTtl ? durationText(flags.text('wrap-ttl')) : fromEnvironment(env, 'WRAP_TTL'),
    ...tls,
    tlsServerName: text('tls-server-name', 'TLS_SERVER_NAME'),
    proxy: proxyOf(env),
    skipVerify: flags.boolOr('tls-skip-verify') ?? fromEnv.skipVerify,
    timeoutMs: fromEnv.timeoutMs,
    retriesMax: fromEnv.retriesMax,
    headers: headersOf(flags),
    mfa: flags.has('mfa') ? flags.texts('mfa') : (fromEnvironment(env, 'MFA')?.split(',') ?? []),
    policyOverride: flags.bool('policy-override'),
    disableRedirects: flags.boolOr('disable-redirects') ?? fromEnv.disableRedirects,
  };
}

interface EnvironmentSettings {
  readonly retriesMax: number;
  readonly timeoutMs: number;
  readonly skipVerify: boolean;
  readonly disableRedirects: boolean;
}

/** The settings that only the environment has, or that flags do not check. @throws SetupError */
function environmentSettings(env: Environment): EnvironmentSettings {
  const refuse = (why: string): SetupError => new SetupError(`failed to read environment: ${why}`);
  const truth = (name: string): boolean => {
    const text = fromEnvironment(env, name);
    const value = text === undefined ? false : truthOf(text);
    if (value === undefined) throw refuse(`could not parse ${nameOf(env, name)}`);
    return value;
  };
  const retries = fromEnvironment(env, 'MAX_RETRIES') ?? '0';
  if (!/^[+-]?\d+$/.test(retries)) throw refuse(`strconv.ParseInt: parsing "${retries}": invalid syntax`);
  if (Number(retries) < 0 || Number(retries) > Number.MAX_SAFE_INTEGER)
    throw refuse(`error parsing int value; out of range [0 to ${String(Number.MAX_SAFE_INTEGER)}]: ${retries}`);
  const rate = fromEnvironment(env, 'RATE_LIMIT');
  if (rate !== undefined && !/^\d+(\.\d+)?(:\d+)?$/.test(rate))
    throw refuse(`${nameOf(env, 'RATE_LIMIT')} was provided but incorrectly formatted`);
  truth('SRV_LOOKUP');
  return {
    retriesMax: Number(retries),
    timeoutMs: timeoutOf(env, refuse),
    skipVerify: truth('SKIP_VERIFY'),
    disableRedirects: truth('DISABLE_REDIRECTS'),
  };
}

const nameOf = (env: Environment, name: string): string => (env[`COFFER_${name}`] ? `COFFER_${name}` : `VAULT_${name}`);

/** One for all requests, or what other programs read from the environment. */
function proxyOf(env: Environment): ClientSettings['proxy'] {
  const proxy = fromEnvironment(env, 'PROXY_ADDR') ?? fromEnvironment(env, 'HTTP_PROXY');
  if (proxy !== undefined) return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  const found = names.map((name) => [name, env[name] || env[name.toLowerCase()]] as const);
  const given = Object.fromEntries(found.filter(([, value]) => value)) as Record<string, string>;
  return given.HTTP_PROXY || given.HTTPS_PROXY ? { NO_PROXY: '127.0.0.1,::1,localhost', ...given } : undefined;
}

const TIMEOUT_MS = 60_000;

function timeoutOf(env: Environment, refuse: (why: string) => SetupError): number {
  const text = fromEnvironment(env, 'CLIENT_TIMEOUT');
  if (text === undefined) return TIMEOUT_MS;
  try {
    const nanoseconds = parseDuration(text);
    return nanoseconds === 0n ? TIMEOUT_MS : Number(nanoseconds) / 1e6;
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    throw refuse(`could not parse "${nameOf(env, 'CLIENT_TIMEOUT')}"`);
  }
}

/** Now rather than at the first connection by TLS: a file that is not there is a mistake on any address. */
function checkTlsFiles(tls: {
  readonly caCertFile: string | undefined;
  readonly caPath: string | undefined;
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
}): void {
  const refuse = (why: string): SetupError => new SetupError(`failed to setup TLS config: ${why}`);
  if ((tls.clientCertFile === undefined) !== (tls.clientKeyFile === undefined))
    throw refuse('both client cert and client key must be provided');
  const files = [tls.clientCertFile, tls.clientKeyFile, tls.caCertFile].filter((path) => path !== undefined);
  for (const path of files) {
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      throw refuse(`${path === tls.caCertFile ? 'Error loading CA File: ' : ''}open ${path}: ${reason(error)}`);
    }
  }
  if (tls.caPath !== undefined && !existsSync(tls.caPath))
    throw refuse(`lstat ${tls.caPath}: no such file or directory`);
}

/** @throws SetupError */
function headersOf(flags: FlagValues): readonly (readonly [string, string])[] {
  return flags.texts('header').map((pair) => {
    const [name = '', ...value] = pair.split('=');
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\u0020-\u00ff]|\u007f/.test(value.join('=')))
      throw new SetupError(`failed to setup Headers[${name}]: not a valid header`);
    if (/^x-vault-/i.test(name))
      throw new SetupError(
        `failed to setup Headers[${name}]: Header starting by 'X-Vault-' are for internal usage only`,
      );
    return [name, value.join('=')];
  });
}

/** Without a slash before it, and with one behind it; "root" is none. */
function namespaceOf(text: string | undefined): string | undefined {
  const path = (text ?? '').trim().replace(/^\/+|\/+$/g, '');
  return path === '' || path === 'root' ? undefined : `${path}/`;
}

/** Go's client asks names such as `127.0.0.1:8200` to have a scheme, too. @throws SetupError */
function addressOf(text: string): string {
  if (/^unix:\/\/./.test(text)) return text;
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  throw new SetupError(
    `failed to create client: invalid address "${text}": expected http://host:port, https://host:port or unix:///path`,
  );
}
