import type { ApiAuth, ApiResponse, ApiWrapInfo } from '@coffer/api-client';
import { exactNumber } from '@coffer/api-client';
import { goValue, humanDuration, looksLikeDuration, quotedList } from './go-value.ts';

/**
 * An answer as the envelope that Vault's clients read: one that has nothing of an envelope (`sys/health`) is data as a
 * whole.
 */
export function enveloped(response: ApiResponse): ApiResponse {
  const { request_id, lease_id, lease_duration, renewable, data, warnings, auth, wrap_info } = response;
  const empty = ![request_id, lease_id, lease_duration, renewable, data, warnings, auth, wrap_info].some(Boolean);
  return empty && Object.keys(response).length > 0 ? { data: response } : response;
}

/** Rows of a table of an answer, as Vault orders them. */
export function secretRows(response: ApiResponse): readonly (readonly string[])[] {
  const { wrap_info: wrap, auth, data } = response;
  if (wrap) return wrapRows(wrap);
  const rows: (readonly string[])[] = [];
  if (response.lease_duration) {
    if (response.lease_id) {
      rows.push(
        ['lease_id', response.lease_id],
        ['lease_duration', humanDuration(response.lease_duration)],
        ['lease_renewable', String(response.renewable)],
      );
    } else rows.push(['refresh_interval', humanDuration(response.lease_duration)]);
  }
  if (auth) rows.push(...authRows(auth));
  for (const key of Object.keys(data ?? {}).sort()) rows.push([key, cell(key, data?.[key])]);
  return rows;
}

/** One value; numbers under names of durations as durations. */
export function cell(key: string, value: unknown): string {
  const number =
    typeof value === 'number' ? value : exactNumber(value) === undefined ? undefined : Number(exactNumber(value));
  return looksLikeDuration(key) && number !== undefined ? humanDuration(number) : goValue(value);
}

function wrapRows(wrap: ApiWrapInfo): readonly (readonly string[])[] {
  return [
    ['wrapping_token:', wrap.token],
    ['wrapping_accessor:', wrap.accessor],
    ['wrapping_token_ttl:', humanDuration(wrap.ttl)],
    ['wrapping_token_creation_time:', goTime(wrap.creation_time)],
    ['wrapping_token_creation_path:', wrap.creation_path],
    ...(wrap.wrapped_accessor ? [['wrapped_accessor:', wrap.wrapped_accessor]] : []),
  ];
}

/** RFC 3339 as Go prints a time: `2026-01-02 15:04:05.999 +0000 UTC`. */
function goTime(text: string): string {
  return text.replace('T', ' ').replace(/Z$/, ' +0000 UTC');
}

function authRows(auth: ApiAuth): readonly (readonly string[])[] {
  const metadata = Object.entries(auth.metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ['token', auth.client_token],
    ['token_accessor', auth.accessor],
    ['token_duration', auth.lease_duration > 0 ? humanDuration(auth.lease_duration) : '∞'],
    ['token_renewable', String(auth.renewable)],
    ['token_policies', quotedList(auth.token_policies)],
    ['identity_policies', quotedList(auth.identity_policies)],
    ['policies', quotedList(auth.policies)],
    ...metadata.map(([key, value]) => [`token_meta_${key}`, value]),
  ];
}

/** The answer as Vault's clients write it in JSON: only what its structures have. */
export function secretJson(response: ApiResponse): Record<string, unknown> {
  const { auth, wrap_info: wrap } = response;
  return {
    request_id: response.request_id ?? '',
    lease_id: response.lease_id ?? '',
    lease_duration: response.lease_duration ?? 0,
    renewable: response.renewable ?? false,
    data: response.data ?? null,
    warnings: response.warnings ?? null,
    ...(auth
      ? {
          auth: {
            client_token: auth.client_token,
            accessor: auth.accessor,
            policies: auth.policies,
            token_policies: auth.token_policies,
            identity_policies: auth.identity_policies ?? null,
            metadata: auth.metadata,
            orphan: auth.orphan,
            entity_id: auth.entity_id,
            lease_duration: auth.lease_duration,
            renewable: auth.renewable,
            mfa_requirement: auth.mfa_requirement ?? null,
          },
        }
      : {}),
    ...(wrap
      ? {
          wrap_info: {
            token: wrap.token,
            accessor: wrap.accessor,
            ttl: wrap.ttl,
            creation_time: wrap.creation_time,
            creation_path: wrap.creation_path,
            wrapped_accessor: wrap.wrapped_accessor ?? '',
          },
        }
      : {}),
  };
}
