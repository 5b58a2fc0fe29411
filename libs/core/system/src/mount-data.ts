import { badRequest, isRawJson } from '@coffer/sdk';
import type { MountEntry, MountTuning, TuningChange, UserLockoutTuning } from '@coffer/core-api';
import { DURATION_SECONDS_MAX, parseDurationSeconds } from '@coffer/kernel';

/** What clients see of a mount's settings; lists only where set, as Vault has it. */
export function tuningData(entry: MountEntry): Record<string, unknown> {
  const { tuning } = entry;
  const listed = (values: readonly string[] | undefined, name: string): Record<string, unknown> =>
    values && values.length > 0 ? { [name]: values } : {};
  return {
    default_lease_ttl: tuning.defaultLeaseTtlSeconds,
    max_lease_ttl: tuning.maxLeaseTtlSeconds,
    force_no_cache: tuning.forceNoCache,
    ...(tuning.listingVisibility ? { listing_visibility: tuning.listingVisibility } : {}),
    ...listed(tuning.auditNonHmacRequestKeys, 'audit_non_hmac_request_keys'),
    ...listed(tuning.auditNonHmacResponseKeys, 'audit_non_hmac_response_keys'),
    ...listed(tuning.passthroughRequestHeaders, 'passthrough_request_headers'),
    ...listed(tuning.allowedResponseHeaders, 'allowed_response_headers'),
    ...(entry.table === 'auth' ? { token_type: tuning.tokenType ?? 'default-service' } : {}),
  };
}

/** What was tuned of the lockout of users; nothing where nothing was. */
export function lockoutData({ tuning: { userLockout } }: MountEntry): Record<string, unknown> | undefined {
  if (!userLockout) return undefined;
  return {
    user_lockout_counter_reset_duration: userLockout.counterResetSeconds,
    user_lockout_disable: userLockout.disabled,
    user_lockout_duration: userLockout.durationSeconds,
    user_lockout_threshold: userLockout.threshold,
  };
}

/** Types that no plugin provides: they are part of the core. */
const SINGLETONS: ReadonlySet<string> = new Set(['cubbyhole', 'identity', 'system', 'token']);

/** A mount as `sys/mounts` and `sys/auth` list it. */
export function mountData(entry: MountEntry, version: string): Record<string, unknown> {
  const lockout = lockoutData(entry);
  return {
    accessor: entry.accessor,
    config: { ...tuningData(entry), ...(lockout ? { user_lockout_config: lockout } : {}) },
    deprecation_status: SINGLETONS.has(entry.type) ? '' : 'supported',
    description: entry.description,
    external_entropy_access: entry.externalEntropyAccess,
    local: entry.local,
    options:
      entry.optionsNull || (SINGLETONS.has(entry.type) && Object.keys(entry.options).length === 0)
        ? null
        : entry.options,
    plugin_version: entry.pluginVersion,
    running_plugin_version: `v${version}+builtin.coffer`,
    running_sha256: '',
    seal_wrap: entry.sealWrap,
    // Vault has no such field: it is there only where an operator has to know.
    ...(entry.tainted ? { tainted: true } : {}),
    type: entry.type,
    uuid: entry.uuid,
  };
}

/** A TTL in a mount's settings: "system" stands for the system's, '' for no change. @throws RequestError */
function ttlOf(value: unknown, which: string): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (value === 'system') return 0;
  const seconds = secondsOf(value);
  if (seconds === undefined) {
    const shown = typeof value === 'string' || typeof value === 'number' ? ` of ${String(value)}` : '';
    throw badRequest(`unable to parse ${which} TTL${shown}: invalid duration`);
  }
  return seconds;
}

/** Whole seconds, or a duration in text; undefined for what is neither, negative, or too long for a time to hold. */
function secondsOf(value: unknown): number | undefined {
  const number = isRawJson(value) ? Number(value.rawJSON) : value;
  const seconds = typeof number === 'string' ? parseDurationSeconds(number) : number;
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= DURATION_SECONDS_MAX
    ? seconds
    : undefined;
}

function listOf(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const items: readonly unknown[] =
    typeof value === 'string'
      ? value
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== '')
      : Array.isArray(value)
        ? value
        : [Number.NaN];
  if (!items.every((item) => typeof item === 'string')) throw badRequest(`${name} must be a list of strings`);
  return items as readonly string[];
}

const TOKEN_TYPES: ReadonlySet<string> = new Set(['', 'default-service', 'default-batch', 'service', 'batch']);

/**
 * The settings in a request (`config` of a new mount, or the fields of `tune`): only what was sent.
 *
 * @throws RequestError naming the field and what was expected
 */
export function readTuning(sent: Readonly<Record<string, unknown>>): TuningChange {
  const text = (name: string): string | undefined => {
    const value = sent[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw badRequest(`${name} must be a string`);
    return value;
  };
  const noCache = sent.force_no_cache;
  const visibility = text('listing_visibility');
  const tokenType = text('token_type');
  if (tokenType !== undefined && !TOKEN_TYPES.has(tokenType)) throw badRequest("invalid value for 'token_type'");
  const lockout = sent.user_lockout_config;
  return withoutUndefined({
    defaultLeaseTtlSeconds: ttlOf(sent.default_lease_ttl, 'default'),
    maxLeaseTtlSeconds: ttlOf(sent.max_lease_ttl, 'max'),
    forceNoCache:
      noCache === undefined || noCache === null ? undefined : noCache === true || noCache === 'true' || noCache === 1,
    listingVisibility: visibility as MountTuning['listingVisibility'],
    auditNonHmacRequestKeys: listOf(sent.audit_non_hmac_request_keys, 'audit_non_hmac_request_keys'),
    auditNonHmacResponseKeys: listOf(sent.audit_non_hmac_response_keys, 'audit_non_hmac_response_keys'),
    passthroughRequestHeaders: listOf(sent.passthrough_request_headers, 'passthrough_request_headers'),
    allowedResponseHeaders: listOf(sent.allowed_response_headers, 'allowed_response_headers'),
    tokenType: (tokenType === '' ? 'default-service' : tokenType) as MountTuning['tokenType'],
    userLockout: lockout === undefined || lockout === null ? undefined : readLockout(lockout),
  });
}

function readLockout(sent: unknown): Partial<UserLockoutTuning> {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    throw badRequest('user_lockout_config must be a map');
  const fields = sent as Readonly<Record<string, unknown>>;
  const number = (name: string): number | undefined => {
    const value = fields[name];
    if (value === undefined || value === '') return undefined;
    if (value === 'system') return 0;
    const read = secondsOf(value);
    if (read === undefined)
      throw badRequest(`user_lockout_config: ${name} must be a number or duration that is not negative`);
    return read;
  };
  const disabled = fields.lockout_disable;
  if (disabled !== undefined && !['true', 'false'].includes(String(disabled)))
    throw badRequest('user_lockout_config: lockout_disable must be true or false');
  return withoutUndefined<UserLockoutTuning>({
    disabled: disabled === undefined ? undefined : String(disabled) === 'true',
    threshold: number('lockout_threshold'),
    durationSeconds: number('lockout_duration'),
    counterResetSeconds: number('lockout_counter_reset_duration') ?? number('lockout_counter_reset'),
  });
}

function withoutUndefined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Partial<T>;
}
