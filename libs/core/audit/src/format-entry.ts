import type { AuditEvent, TokenEntry } from '@coffer/core-api';
import { isStreamed } from '@coffer/sdk';
import type { TokenAuth } from '@coffer/sdk';
import type { AuditedHeaders } from './audit-records.ts';
import type { Hasher } from './hasher.ts';

export interface FormatOptions {
  readonly hasher: Hasher;
  /** `hmac_accessor`: hash accessors, too (the default). */
  readonly hashAccessors: boolean;
  /** `elide_list_responses`: of lists, only how long they are. */
  readonly elideLists: boolean;
  readonly headers: AuditedHeaders;
}

const NO_KEYS: ReadonlySet<string> = new Set();

/** One line of the audit log in Vault's JSON form, without the line end. */
export function formatEntry(type: 'request' | 'response', event: AuditEvent, options: FormatOptions): string {
  const { token } = event;
  const entry: Record<string, unknown> = { time: new Date(event.atMs).toISOString(), type };
  if (token) entry.auth = callerOf(event, token, options);
  entry.request = requestOf(event, options);
  if (type === 'response' && (event.response ?? event.auth)) entry.response = responseOf(event, options);
  if (event.error !== undefined) entry.error = options.hasher.text(event.error);
  return JSON.stringify(entry);
}

function callerOf(
  event: AuditEvent,
  token: TokenEntry,
  { hasher, hashAccessors }: FormatOptions,
): Record<string, unknown> {
  const raw = event.request.token?.reveal();
  return {
    ...(raw === undefined ? {} : { client_token: hasher.text(raw) }),
    accessor: hashAccessors ? hasher.text(token.accessor) : token.accessor,
    display_name: token.displayName,
    policies: token.policies,
    token_policies: token.policies,
    ...(event.decision
      ? {
          policy_results: {
            allowed: event.decision.allowed,
            granting_policies: event.decision.grantingPolicies.map(({ name, namespaceId }) => ({
              name,
              namespace_id: namespaceId,
              type: 'acl',
            })),
            ...(event.decision.allowed ? {} : { reason: event.decision.reason }),
          },
        }
      : {}),
    ...(token.metadata ? { metadata: token.metadata } : {}),
    ...(token.entityId === '' ? {} : { entity_id: token.entityId }),
    token_type: token.type,
    ...(token.ttlSeconds > 0 ? { token_ttl: token.ttlSeconds } : {}),
    token_issue_time: new Date(token.createdMs).toISOString(),
  };
}

function requestOf(event: AuditEvent, options: FormatOptions): Record<string, unknown> {
  const { request, mount, token } = event;
  const { hasher, hashAccessors } = options;
  const raw = request.token?.reveal();
  const data = hasher.value(request.data, new Set(event.publicRequestKeys));
  return {
    id: request.id,
    operation: event.operation,
    ...(mount
      ? {
          mount_point: mount.table === 'auth' ? `auth/${mount.path}` : mount.path,
          mount_type: mount.type,
          mount_accessor: mount.accessor,
        }
      : {}),
    ...(raw === undefined ? {} : { client_token: hasher.text(raw) }),
    ...(token ? { client_token_accessor: hashAccessors ? hasher.text(token.accessor) : token.accessor } : {}),
    namespace: { id: request.namespace.id, ...(request.namespace.path === '' ? {} : { path: request.namespace.path }) },
    path: request.path,
    ...(Object.keys(request.data).length > 0 ? { data } : {}),
    remote_address: request.connection.remoteAddress,
    remote_port: request.connection.remotePort,
    ...(request.wrapTtlSeconds === undefined ? {} : { wrap_ttl: request.wrapTtlSeconds }),
    ...headersOf(event, options),
  };
}

function headersOf(event: AuditEvent, { headers, hasher }: FormatOptions): Record<string, unknown> {
  const shown: [string, readonly string[]][] = [];
  for (const [name, { hmac }] of Object.entries(headers)) {
    // Names are what an operator wrote: `constructor` is no header, and no reason to serve nobody.
    const value = Object.hasOwn(event.request.headers, name) ? event.request.headers[name] : undefined;
    if (value === undefined) continue;
    const lines = typeof value === 'string' ? [value] : value;
    shown.push([name, hmac ? lines.map((line) => hasher.hash(line)) : lines]);
  }
  return shown.length > 0 ? { headers: Object.fromEntries(shown) } : {};
}

function responseOf(event: AuditEvent, options: FormatOptions): Record<string, unknown> {
  const { response, auth, mount } = event;
  const { hasher, hashAccessors } = options;
  const wrap = response?.wrapInfo;
  return {
    ...(mount ? { mount_type: mount.type, mount_accessor: mount.accessor } : {}),
    ...(auth ? { auth: authOf(auth, options) } : {}),
    ...(response?.lease && response.lease.id !== '' ? { secret: { lease_id: response.lease.id } } : {}),
    ...(response?.data ? { data: hasher.value(elided(event, options), new Set(event.publicResponseKeys)) } : {}),
    ...(response?.raw
      ? {
          data: {
            ...(isStreamed(response.raw.body) ? {} : { http_raw_body: hasher.hash(response.raw.body) }),
            http_content_type: response.raw.contentType,
            http_status_code: response.raw.status,
          },
        }
      : {}),
    ...(response?.redirect ? { redirect: response.redirect } : {}),
    ...(wrap
      ? {
          wrap_info: {
            ttl: wrap.ttlSeconds,
            token: hasher.text(wrap.token),
            accessor: hashAccessors ? hasher.text(wrap.accessor) : wrap.accessor,
            creation_time: wrap.creationTime,
            creation_path: wrap.creationPath,
            ...(wrap.wrappedAccessor
              ? { wrapped_accessor: hashAccessors ? hasher.text(wrap.wrappedAccessor) : wrap.wrappedAccessor }
              : {}),
          },
        }
      : {}),
  };
}

function elided({ request, response }: AuditEvent, { elideLists }: FormatOptions): unknown {
  const data = response?.data ?? {};
  if (!elideLists || (request.operation !== 'list' && request.operation !== 'scan')) return data;
  const lengthOf = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.length
      : typeof value === 'object' && value !== null
        ? Object.keys(value).length
        : value;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, key === 'keys' || key === 'key_info' ? lengthOf(value) : value]),
  );
}

function authOf(auth: TokenAuth, { hasher, hashAccessors }: FormatOptions): Record<string, unknown> {
  return {
    client_token: hasher.text(auth.clientToken),
    accessor: hashAccessors ? hasher.text(auth.accessor) : auth.accessor,
    policies: auth.policies,
    token_policies: auth.tokenPolicies,
    ...(auth.metadata ? { metadata: hasher.value(auth.metadata, NO_KEYS) } : {}),
    ...(auth.entityId === '' ? {} : { entity_id: auth.entityId }),
    token_type: auth.tokenType,
    token_ttl: auth.ttlSeconds,
  };
}
