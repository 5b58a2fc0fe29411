import { ConfigError, parseHclOrJson, plainValue } from '@coffer/config';
import type { HclItem, HclObject, HclValue } from '@coffer/config';
import type { Capability } from '@coffer/core-api';
import { badRequest } from '@coffer/sdk';
import { parseDurationSeconds } from '@coffer/kernel';
import type { PathRule } from './rule.ts';

export interface ParsedPolicy {
  readonly name: string;
  readonly rules: readonly PathRule[];
}

const CAPABILITIES: ReadonlySet<string> = new Set<Capability>([
  'create',
  'read',
  'update',
  'patch',
  'delete',
  'list',
  'scan',
  'sudo',
  'deny',
]);

/** The older `policy = "write"` form. */
const OLDER: Readonly<Record<string, readonly Capability[]>> = {
  deny: ['deny'],
  read: ['read', 'list'],
  write: ['create', 'read', 'update', 'delete', 'list'],
  sudo: ['create', 'read', 'update', 'delete', 'list', 'sudo'],
};

/**
 * What Vault's paid editions and its heirs restrict a rule by, and nothing here enforces: a rule that says so would grant
 * more than its author meant.
 */
const NOT_ENFORCED = new Set([
  'mfa_methods',
  'control_group',
  'pagination_limit',
  'list_scan_response_keys_filter_path',
  'response_keys_filter_path',
]);

const KNOWN = new Set([
  'comment',
  'policy',
  'capabilities',
  'allowed_parameters',
  'denied_parameters',
  'required_parameters',
  'min_wrapping_ttl',
  'max_wrapping_ttl',
  'expiration',
  'subscribe_event_types',
]);

/**
 * Parses an ACL policy in HCL or JSON.
 *
 * @throws RequestError `bad-request`, saying where and what was expected
 */
export function parsePolicy(name: string, text: string): ParsedPolicy {
  try {
    const file = parseHclOrJson(text, 'policy');
    const rules = file.items.flatMap((item) => {
      if (item.key === 'path') return pathItems(item).map(([path, body]) => ruleOf(path, body));
      if (item.key === 'name') return [];
      throw new ConfigError('policy', item.at, `invalid key "${item.key}": expected path`);
    });
    return { name, rules };
  } catch (error) {
    if (error instanceof ConfigError) throw badRequest(`failed to parse policy: ${error.message}`);
    throw error;
  }
}

/** `path "a" { … }`, or in JSON `"path": { "a": { … } }`. */
function pathItems(item: HclItem): readonly (readonly [string, HclObject])[] {
  const { value, labels } = item;
  if (value.kind === 'list') return value.items.flatMap((inner) => pathItems({ ...item, value: inner }));
  if (value.kind !== 'object') throw new ConfigError('policy', item.at, 'expected a block: path "…" { … }');
  const [label] = labels;
  if (label !== undefined) return [[label, value]];
  return value.items.map((inner) => {
    const body = inner.value.kind === 'list' ? inner.value.items[0] : inner.value;
    if (body?.kind !== 'object') throw new ConfigError('policy', inner.at, 'expected a map of rules');
    return [inner.key, body] as const;
  });
}

function ruleOf(written: string, body: HclObject): PathRule {
  const path = written.startsWith('/') ? written.slice(1) : written;
  if (path.includes('+*'))
    throw new ConfigError('policy', body.at, `path "${written}": invalid use of wildcards ('+*' is forbidden)`);
  if (!hasBalancedTemplates(path))
    throw new ConfigError('policy', body.at, `path "${written}": unbalanced templating characters`);
  const values = new Map<string, HclValue>();
  for (const item of body.items) {
    if (NOT_ENFORCED.has(item.key))
      throw new ConfigError('policy', item.at, `path "${written}": "${item.key}" is not enforced here: leave it out`);
    if (!KNOWN.has(item.key)) throw new ConfigError('policy', item.at, `path "${written}": invalid key "${item.key}"`);
    values.set(item.key, item.value);
  }
  const min = ttlOf(values.get('min_wrapping_ttl'), 'min_wrapping_ttl');
  const max = ttlOf(values.get('max_wrapping_ttl'), 'max_wrapping_ttl');
  if (min !== undefined && max !== undefined && max < min) {
    throw new ConfigError(
      'policy',
      body.at,
      `path "${written}": max_wrapping_ttl cannot be less than min_wrapping_ttl`,
    );
  }
  const allowed = parametersOf(values.get('allowed_parameters'));
  const denied = parametersOf(values.get('denied_parameters'));
  const required = textsOf(values.get('required_parameters'), 'required_parameters');
  const expires = expiryOf(values.get('expiration'));
  return {
    path,
    capabilities: capabilitiesOf(written, values),
    ...(allowed ? { allowedParameters: allowed } : {}),
    ...(denied ? { deniedParameters: denied } : {}),
    ...(required.length > 0 ? { requiredParameters: required.map((text) => text.toLowerCase()) } : {}),
    ...(min === undefined ? {} : { minWrappingTtlSeconds: min }),
    ...(max === undefined ? {} : { maxWrappingTtlSeconds: max }),
    ...(expires === undefined ? {} : { expiresMs: expires }),
  };
}

/** Every `{{` has its `}}`, and none lies in another. */
function hasBalancedTemplates(path: string): boolean {
  return !/\{\{|\}\}/.test(path.replaceAll(/\{\{[^{}]*\}\}/g, ''));
}

function capabilitiesOf(path: string, values: ReadonlyMap<string, HclValue>): ReadonlySet<Capability> {
  const found = new Set<Capability>();
  const older = values.get('policy');
  if (older) {
    const words = older.kind === 'string' && Object.hasOwn(OLDER, older.value) ? OLDER[older.value] : undefined;
    if (!words)
      throw new ConfigError('policy', older.at, `path "${path}": invalid policy: expected deny, read, write or sudo`);
    for (const word of words) found.add(word);
  }
  const listed = values.get('capabilities');
  for (const word of textsOf(listed, 'capabilities')) {
    if (!CAPABILITIES.has(word))
      throw new ConfigError('policy', listed?.at, `path "${path}": invalid capability "${word}"`);
    found.add(word as Capability);
  }
  return found.has('deny') ? new Set(['deny']) : found;
}

function textsOf(value: HclValue | undefined, name: string): readonly string[] {
  if (!value) return [];
  const items = value.kind === 'list' ? value.items : [value];
  return items.map((item) => {
    if (item.kind !== 'string') throw new ConfigError('policy', item.at, `${name}: expected strings`);
    return item.value;
  });
}

function ttlOf(value: HclValue | undefined, name: string): number | undefined {
  if (!value) return undefined;
  const seconds =
    value.kind === 'number' ? value.value : value.kind === 'string' ? parseDurationSeconds(value.value) : undefined;
  if (seconds === undefined || seconds < 0) throw new ConfigError('policy', value.at, `${name}: expected a duration`);
  return seconds;
}

function expiryOf(value: HclValue | undefined): number | undefined {
  if (!value) return undefined;
  const at = value.kind === 'string' ? Date.parse(value.value) : Number.NaN;
  if (Number.isNaN(at)) throw new ConfigError('policy', value.at, 'expiration: expected a time in RFC 3339');
  return at;
}

function parametersOf(value: HclValue | undefined): ReadonlyMap<string, readonly unknown[]> | undefined {
  if (!value) return undefined;
  const bodies = value.kind === 'list' ? value.items : [value];
  const parameters = new Map<string, readonly unknown[]>();
  for (const body of bodies) {
    if (body.kind !== 'object')
      throw new ConfigError('policy', body.at, 'expected a map of parameters to lists of values');
    for (const item of body.items) {
      if (item.value.kind !== 'list')
        throw new ConfigError('policy', item.at, `parameter "${item.key}": expected a list of values`);
      parameters.set(item.key.toLowerCase(), item.value.items.map(plainValue));
    }
  }
  return parameters;
}
