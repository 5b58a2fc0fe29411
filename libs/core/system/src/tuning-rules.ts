import { badRequest } from '@coffer/sdk';
import { LOCKOUT_TYPES } from '@coffer/core-api';
import type { MountEntry } from '@coffer/core-api';

/** What a request to tune says that depends on the kind of the mount. */
export interface AskedTuning {
  readonly options: Readonly<Record<string, string>> | undefined;
  readonly token_type: string | undefined;
  readonly user_lockout_config: Readonly<Record<string, unknown>> | undefined;
  readonly plugin_version: string | undefined;
}

/** Mounts of the core: what they need is set, apart from what the audit log shows of them. */
const FIXED: ReadonlySet<string> = new Set(['system', 'cubbyhole', 'identity']);
const TUNABLE_EVERYWHERE: ReadonlySet<string> = new Set([
  'path',
  'audit_non_hmac_request_keys',
  'audit_non_hmac_response_keys',
]);

/**
 * What may not be tuned of this mount, or not to this.
 *
 * @param sent the known fields that the request has
 * @returns warnings for the answer
 * @throws RequestError `bad-request`
 */
export function judgeTuning(entry: MountEntry, asked: AskedTuning, sent: readonly string[]): readonly string[] {
  if (FIXED.has(entry.type)) {
    const refused = sent.find((name) => !TUNABLE_EVERYWHERE.has(name));
    if (refused !== undefined) throw badRequest(`cannot tune parameter ${refused} of ${entry.path}`);
  }
  const lockout = asked.user_lockout_config;
  if (lockout && Object.keys(lockout).length > 0 && !LOCKOUT_TYPES.has(entry.type))
    throw badRequest(`tuning of user lockout configuration for auth type "${entry.type}" not allowed`);
  if (asked.plugin_version !== undefined && asked.plugin_version !== '')
    throw badRequest(`plugin not found in the catalog: ${entry.type}, version=${asked.plugin_version}`);
  if (asked.token_type !== undefined) {
    if (entry.table !== 'auth') throw badRequest("'token_type' can only be modified on auth mounts");
    if (entry.type === 'token') throw badRequest("'token_type' cannot be set for 'token' or 'ns_token' auth mounts");
  }
  return judgeVersion(entry, asked.options?.['version']);
}

/** A KV store can become one of version 2, and stays so. */
function judgeVersion(entry: MountEntry, asked: string | undefined): readonly string[] {
  if (asked === undefined) return [];
  if (!/^[+-]?\d+$/.test(asked)) throw badRequest(`unable to parse options: version must be 1 or 2, not "${asked}"`);
  const version = Number(asked);
  const before = Number(entry.options['version'] ?? 0);
  if (version !== 1 && version !== 2) throw badRequest(`invalid version provided: ${String(version)}`);
  if (before > version) throw badRequest(`cannot downgrade mount from version ${String(before)}`);
  if (before === version) return [];
  return [
    `Upgrading mount from version ${String(before)} to version ${asked}. ` +
      'This mount will be unavailable for a brief period and will resume service shortly.',
  ];
}
