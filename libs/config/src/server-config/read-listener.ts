import type { HclObject, Position } from '../hcl/ast.ts';
import { CIPHER_SUITES, TLS13_SUITES } from './ciphers.ts';
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
  if (type !== 'tcp') throw reader.error(at, `listener "${type}": expected listener "tcp"`);
  const address = reader.text('address') ?? '127.0.0.1:8200';
  if (!/^(?:\[[^\]]+\]|[^:]*):\d{1,5}$/.test(address))
    throw reader.error(reader.position('address'), 'address: expected host:port');
  const clusterAddress = reader.text('cluster_address');
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
    ...optional('idleTimeoutSeconds', reader.duration('http_idle_timeout')),
  };
  if (disabled) for (const name of TLS_NAMES) reader.has(name);
  const notes = [
    ...reader.notInEffect(
      'http_read_timeout',
      'http_write_timeout',
      'telemetry',
      'profiling',
      'inflight_requests_logging',
      'agent_api',
      'proxy_api',
      'role',
      'redact_addresses',
      'redact_cluster_name',
      'redact_version',
      'chroot_namespace',
      'tls_prefer_server_cipher_suites',
      'max_request_json_strings',
      'max_request_json_memory',
      'disable_replication_status_endpoints',
      'disable_request_limiter',
      'require_request_header',
      'tls_acme_cache_path',
      'tls_acme_ca_directory',
      'cors_enabled',
    ),
    ...reader.rest(),
  ];
  return { listener, notes };
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
  const max = reader.word('tls_max_version', VERSION_WORDS);
  return {
    certFile,
    keyFile,
    requireClientCert,
    disableClientCerts,
    minVersion: VERSIONS[reader.word('tls_min_version', VERSION_WORDS) ?? 'tls12'],
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
  const hopSkips = reader.int('x_forwarded_for_hop_skips', { min: 0, max: 100 }) ?? 0;
  const rejectNotPresent = reader.bool('x_forwarded_for_reject_not_present') ?? true;
  const rejectNotAuthorized = reader.bool('x_forwarded_for_reject_not_authorized') ?? true;
  return authorizedCidrs && { authorizedCidrs, hopSkips, rejectNotPresent, rejectNotAuthorized };
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

/** `custom_response_headers { "default" = { "Name" = ["value"] } }`: those for all statuses. */
function readHeaders(reader: BlockReader, file: string): Readonly<Record<string, string>> | undefined {
  const headers: [string, string][] = [];
  for (const { body } of reader.blocks('custom_response_headers')) {
    const inner = new BlockReader(file, body);
    for (const { body: defaults } of inner.blocks('default')) {
      const names = new BlockReader(file, defaults);
      for (const item of defaults.items) {
        if (/^x-vault-/i.test(item.key))
          throw reader.error(item.at, `custom_response_headers: "${item.key}" is reserved`);
        headers.push([item.key.toLowerCase(), (names.texts(item.key) ?? []).join(', ')]);
      }
    }
  }
  return headers.length > 0 ? Object.fromEntries(headers) : undefined;
}

/** A member that is only there if it has a value. */
export function optional<N extends string, V>(name: N, value: V | undefined): { readonly [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in N]?: V };
}
