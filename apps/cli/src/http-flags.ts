import type { ClientSettings } from '@coffer/api-client';
import { UsageError, durationText } from './flags.ts';
import type { FlagSpec, FlagValues } from './flags.ts';

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

/**
 * Flags before the environment.
 *
 * @param stored the token of the last login; asked only if the environment has none
 * @throws UsageError, HeaderError
 */
export function clientSettings(flags: FlagValues, env: Environment, stored: () => string | undefined): ClientSettings {
  const text = (flag: string, name: string): string | undefined => flags.text(flag) ?? fromEnvironment(env, name);
  const headers = flags.texts('header').map((pair): readonly [string, string] => {
    const [name = '', ...value] = pair.split('=');
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\u0020-\u00ff]|\u007f/.test(value.join('=')))
      throw new HeaderError(`failed to setup Headers[${name}]: not a valid header`);
    if (/^x-vault-/i.test(name))
      throw new HeaderError(
        `failed to setup Headers[${name}]: Header starting by 'X-Vault-' are for internal usage only`,
      );
    return [name, value.join('=')];
  });
  const wrapTtl = flags.text('wrap-ttl') ?? fromEnvironment(env, 'WRAP_TTL');
  return {
    address: addressOf(text('agent-address', 'AGENT_ADDR') ?? text('address', 'ADDR') ?? 'https://127.0.0.1:8200'),
    token: tokenOf(fromEnvironment(env, 'TOKEN') ?? stored()),
    namespace: text('namespace', 'NAMESPACE'),
    wrapTtl: wrapTtl === undefined ? undefined : durationText(wrapTtl),
    caCertFile: text('ca-cert', 'CACERT'),
    caCertPem: flags.has('ca-cert') ? undefined : fromEnvironment(env, 'CACERT_BYTES'),
    caPath: text('ca-path', 'CAPATH'),
    clientCertFile: text('client-cert', 'CLIENT_CERT'),
    clientKeyFile: text('client-key', 'CLIENT_KEY'),
    tlsServerName: text('tls-server-name', 'TLS_SERVER_NAME'),
    skipVerify: flags.boolOr('tls-skip-verify') ?? truth('SKIP_VERIFY', fromEnvironment(env, 'SKIP_VERIFY')),
    timeoutMs: millisecondsOf(fromEnvironment(env, 'CLIENT_TIMEOUT') ?? '60s'),
    retriesMax: countOf('MAX_RETRIES', fromEnvironment(env, 'MAX_RETRIES') ?? '2'),
    headers,
    mfa: flags.has('mfa') ? flags.texts('mfa') : (fromEnvironment(env, 'MFA')?.split(',') ?? []),
    policyOverride: flags.bool('policy-override'),
    disableRedirects:
      flags.boolOr('disable-redirects') ?? truth('DISABLE_REDIRECTS', fromEnvironment(env, 'DISABLE_REDIRECTS')),
  };
}

/** Go's client asks names such as `127.0.0.1:8200` to have a scheme, too. @throws UsageError */
function addressOf(text: string): string {
  if (/^unix:\/\/./.test(text)) return text;
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  throw new UsageError(`invalid address "${text}": expected http://host:port, https://host:port or unix:///path`);
}

/** A token with a line end or a space in it would be refused as a header with less of an explanation. @throws UsageError */
function tokenOf(text: string | undefined): string | undefined {
  const token = text?.trim();
  if (token !== undefined && /[^\u0021-\u007e]/.test(token))
    throw new UsageError('the configured token contains non-printable characters and cannot be used');
  return token === '' ? undefined : token;
}

function truth(name: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  if (!/^(1|0|t|f|true|false)$/i.test(text)) throw new UsageError(`could not parse ${name}: "${text}" is no boolean`);
  return /^(1|t|true)$/i.test(text);
}

function countOf(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`could not parse ${name}: "${text}" is no number`);
  return Number(text);
}

/** Exit code 2, as Vault has it. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError';
}

function millisecondsOf(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw new UsageError(`invalid client timeout "${text}"`);
  return Number(number) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 1000);
}
