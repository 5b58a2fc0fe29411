import { isIP } from 'node:net';
import type { HclItem, HclObject, HclValue, Position } from '../hcl/ast.ts';
import { CIPHER_SUITES, TLS13_SUITES } from './ciphers.ts';
import { LISTENER_NOT_IN_EFFECT } from './known-members.ts';
import { BlockReader } from './reader.ts';
import type { ConfigNote } from './reader.ts';
import type { ListenerConfig, ListenerTls } from './server-config.ts';

const VERSIONS = { tls10: 'TLSv1', tls11: 'TLSv1.1', tls12: 'TLSv1.2', tls13: 'TLSv1.3' } as const;
const VERSION_WORDS = ['tls10', 'tls11', 'tls12', 'tls13'] as const;
const PROXY_BEHAVIORS = ['use_always', 'allow_authorized', 'deny_unauthorized'] as const;
const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** `listener "tcp" { … }`. @throws ConfigError */
export function readListener(
  file: string,
  type: string,
  body: HclObject,
  at: Position,
): { readonly listener: ListenerConfig; readonly notes: readonly ConfigNote[] } {
  const reader = new BlockReader(file, body);
  if (type === 'unix') throw reader.error(at, 'listener "unix" is not available: expected listener "tcp"');
  if (type !== 'tcp') throw reader.error(at, `listener "${type}": expected listener "tcp"`);
  const address = readAddress(reader, 'address') ?? '127.0.0.1:8200';
  const clusterAddress = readAddress(reader, 'cluster_address');
  const disabled = reader.bool('tls_disable') ?? false;
  const tls = disabled ? undefined : readTls(reader);
  const listener: ListenerConfig = {
    address,
    ...optional('clusterAddress', clusterAddress),
    ...optional('tls', tls),
    ...optional('requestBytesMax', reader.int('max_request_size', { min: -1, max: ANY.max })),
    ...optional('requestDurationSecondsMax', reader.duration('max_request_duration')),
    ...optional('jsonDepthMax', reader.int('max_request_json_depth', ANY) ?? reader.int('max_json_depth', ANY)),
    ...optional('forwardedFor', readForwardedFor(reader)),
    ...optional('proxyProtocol', readProxyProtocol(reader)),
    ...optional('responseHeaders', readHeaders(reader, file)),
    ...optional('readHeaderTimeoutSeconds', reader.duration('http_read_header_timeout')),
    ...optional('readTimeoutSeconds', reader.duration('http_read_timeout')),
    ...optional('writeTimeoutSeconds', reader.duration('http_write_timeout')),
    ...optional('idleTimeoutSeconds', reader.duration('http_idle_timeout')),
    ...optional('opens', readOpens(reader)),
  };
  if (disabled) for (const name of TLS_NAMES) reader.has(name);
  return { listener, notes: [...reader.notInEffect(LISTENER_NOT_IN_EFFECT), ...reader.rest()] };
}

/** `host:port`, `[::]:port` or `:port`. */
function readAddress(reader: BlockReader, name: string): string | undefined {
  const address = reader.text(name);
  if (address === undefined) return undefined;
  const port = /^(?:\[[0-9A-Fa-f:.]+\]|[^:[\]\s/]*):(\d{1,5})$/.exec(address)?.[1];
  if (port === undefined || Number(port) > 65_535)
    throw reader.error(reader.position(name), `${name}: expected host:port, such as "0.0.0.0:8200" or "[::]:8200"`);
  return address;
}

function readOpens(reader: BlockReader): ListenerConfig['opens'] {
  const opens: NonNullable<ListenerConfig['opens']>[number][] = [];
  if (reader.bool('disable_unauthed_rekey_endpoints') === false) opens.push('unauthenticated-rekey');
  if (reader.bool('disable_unauthed_generate_root_endpoints') === false) opens.push('unauthenticated-generate-root');
  return opens.length > 0 ? opens : undefined;
}

const TLS_NAMES = [
  'tls_cert_file',
  'tls_key_file',
  'tls_client_ca_file',
  'tls_require_and_verify_client_cert',
  'tls_disable_client_certs',
  'tls_min_version',
  'tls_max_version',
  'tls_cipher_suites',
];

function readTls(reader: BlockReader): ListenerTls {
  const certFile = reader.text('tls_cert_file');
  const keyFile = reader.text('tls_key_file');
  if (certFile === undefined || keyFile === undefined) {
    throw reader.error(reader.at, 'listener: expected tls_cert_file and tls_key_file, or tls_disable = true');
  }
  const requireClientCert = reader.bool('tls_require_and_verify_client_cert') ?? false;
  const disableClientCerts = reader.bool('tls_disable_client_certs') ?? false;
  if (requireClientCert && disableClientCerts) {
    throw reader.error(
      reader.position('tls_disable_client_certs'),
      'tls_disable_client_certs contradicts tls_require_and_verify_client_cert',
    );
  }
  const min = reader.word('tls_min_version', VERSION_WORDS) ?? 'tls12';
  const max = reader.word('tls_max_version', VERSION_WORDS);
  if (max !== undefined && VERSION_WORDS.indexOf(max) < VERSION_WORDS.indexOf(min))
    throw reader.error(
      reader.position('tls_max_version'),
      `tls_max_version: expected ${min} or later, the lowest allowed`,
    );
  return {
    certFile,
    keyFile,
    requireClientCert,
    disableClientCerts,
    minVersion: VERSIONS[min],
    ...optional('maxVersion', max && VERSIONS[max]),
    ...optional('clientCaFile', reader.text('tls_client_ca_file')),
    ...optional('ciphers', readCiphers(reader)),
  };
}

function readCiphers(reader: BlockReader): string | undefined {
  const names = reader.texts('tls_cipher_suites');
  if (!names) return undefined;
  const known = names.flatMap((name) => {
    if (TLS13_SUITES.has(name)) return [];
    const found = Object.hasOwn(CIPHER_SUITES, name) ? CIPHER_SUITES[name] : undefined;
    if (found === undefined)
      throw reader.error(reader.position('tls_cipher_suites'), `tls_cipher_suites: unknown cipher suite "${name}"`);
    return [found];
  });
  return known.length > 0 ? known.join(':') : undefined;
}

function readForwardedFor(reader: BlockReader): ListenerConfig['forwardedFor'] {
  const authorizedCidrs = reader.texts('x_forwarded_for_authorized_addrs');
  for (const cidr of authorizedCidrs ?? []) {
    if (!isAddressOrCidr(cidr))
      throw reader.error(
        reader.position('x_forwarded_for_authorized_addrs'),
        `x_forwarded_for_authorized_addrs: expected IP addresses and CIDR blocks, found "${cidr}"`,
      );
  }
  const hopSkips = reader.int('x_forwarded_for_hop_skips', { min: 0, max: 100 }) ?? 0;
  const rejectNotPresent = reader.bool('x_forwarded_for_reject_not_present') ?? true;
  const rejectNotAuthorized = reader.bool('x_forwarded_for_reject_not_authorized') ?? true;
  return authorizedCidrs && { authorizedCidrs, hopSkips, rejectNotPresent, rejectNotAuthorized };
}

function isAddressOrCidr(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function readProxyProtocol(reader: BlockReader): ListenerConfig['proxyProtocol'] {
  const behavior = reader.word('proxy_protocol_behavior', PROXY_BEHAVIORS);
  const authorizedAddrs = reader.texts('proxy_protocol_authorized_addrs') ?? [];
  if (!behavior) return undefined;
  if (behavior !== 'use_always' && authorizedAddrs.length === 0) {
    throw reader.error(
      reader.position('proxy_protocol_behavior'),
      `proxy_protocol_behavior = "${behavior}" needs proxy_protocol_authorized_addrs`,
    );
  }
  return { behavior, authorizedAddrs };
}

/** `custom_response_headers { "default" = { "Name" = ["value"] } "4xx" = { … } "404" = { … } }`. */
function readHeaders(reader: BlockReader, file: string): ListenerConfig['responseHeaders'] {
  const table = new Map<string, [string, string][]>();
  for (const { body } of reader.blocks('custom_response_headers')) {
    const inner = new BlockReader(file, body);
    for (const status of new Set(body.items.map(({ key }) => key))) {
      if (status !== 'default' && !/^[1-5](xx|\d\d)$/.test(status))
        throw reader.error(
          inner.position(status),
          'custom_response_headers: expected "default", or a status such as "404" or "4xx"',
        );
      const headers = inner
        .blocks(status)
        .flatMap(({ body: { items } }) => items.map((item) => readHeader(reader, item)));
      table.set(status, [...(table.get(status) ?? []), ...headers]);
    }
  }
  if (table.size === 0) return undefined;
  return Object.fromEntries([...table].map(([status, headers]) => [status, Object.fromEntries(headers)]));
}

/** What frames a message: another value would break it, or smuggle one. */
const FRAMING = /^(connection|content-length|keep-alive|te|trailer|transfer-encoding|upgrade)$/i;

/** Several values are joined by `; `, as Vault does. */
function readHeader(reader: BlockReader, { key, value, at }: HclItem): [string, string] {
  const name = `custom_response_headers: "${key}"`;
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(key)) throw reader.error(at, `${name}: expected the name of a header`);
  if (/^x-vault-/i.test(key) || FRAMING.test(key)) throw reader.error(at, `${name} is reserved`);
  const text = (entry: HclValue): string => {
    if (entry.kind !== 'string') throw reader.error(entry.at, `${name}: expected a list of strings`);
    // What Node would refuse in the middle of an answer.
    if (!/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(entry.value))
      throw reader.error(entry.at, `${name}: expected characters that may stand in a header`);
    return entry.value.trim();
  };
  const values = value.kind === 'list' ? value.items.map(text) : [text(value)];
  return [key.toLowerCase(), values.filter((entry) => entry !== '').join('; ')];
}

/** A member that is only there if it has a value. */
export function optional<N extends string, V>(name: N, value: V | undefined): { readonly [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in N]?: V };
}
