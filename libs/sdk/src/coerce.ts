import { badRequest } from './errors.ts';
import type { RequestError } from './errors.ts';
import type { Field, Fields } from './field.ts';
import type { JsonObject } from './request.ts';
import { DURATION_SECONDS_MAX, parseDurationSeconds } from '@coffer/kernel';
import { parseNestedJson } from './nested-json.ts';

/*
 * Where Vault is lenient, so are we, and only here: numbers as texts, "true" and 1 as booleans, "a,b" as a list, `k=v`
 * as a map, one value where a list is meant, null as "not sent", unknown fields as a warning, and fields of the path
 * before those of the body. `required` and `allowedValues` are not enforced (as in Vault's framework).
 */

/** Items of a list that comes as one text. */
const COMMA_ITEMS_MAX = 10_000;
/** The end of the year 9999: later times have no form in RFC 3339. */
const TIME_MS_MAX = 253_402_300_799_999;

export interface Coerced {
  /** By field name, own properties of a null-prototype object; undefined where not sent and without default. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/**
 * Types what a client sent by a path's declaration.
 *
 * @param captures the parameters of the path; they win over the body
 * @throws RequestError `bad-request`, naming the field and what was expected
 */
export function coerceFields(
  fields: Fields,
  captures: Readonly<Record<string, string>>,
  data: JsonObject,
  arbitrary: boolean,
): Coerced {
  const values = Object.create(null) as Record<string, unknown>;
  const replaced: string[] = [];
  const known = new Set<string>();
  for (const [name, declared] of Object.entries(fields)) {
    known.add(name);
    for (const alias of declared.aliases ?? []) known.add(alias);
    const captured = Object.hasOwn(captures, name) ? captures[name] : undefined;
    const sent = captured ?? sentValue(data, name, declared);
    if (captured !== undefined && Object.hasOwn(data, name)) replaced.push(name);
    values[name] = sent === undefined || sent === null ? declared.default : coerce(name, declared, sent);
  }
  const warnings: string[] = [];
  if (replaced.length > 0) {
    warnings.push(
      `Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [${replaced.sort().join(' ')}]`,
    );
  }
  if (!arbitrary) {
    const unknown = Object.keys(data).filter((name) => !known.has(name));
    if (unknown.length > 0)
      warnings.push(`Endpoint ignored these unrecognized parameters: [${unknown.sort().join(' ')}]`);
  }
  return { values, warnings };
}

function sentValue(data: JsonObject, name: string, declared: Field<unknown>): unknown {
  if (Object.hasOwn(data, name)) return data[name];
  const alias = declared.aliases?.find((candidate) => Object.hasOwn(data, candidate));
  return alias === undefined ? undefined : data[alias];
}

/** One value by its field's kind. @throws RequestError `bad-request` */
export function coerce(name: string, declared: Field<unknown>, sent: unknown): unknown {
  const value = plainNumber(sent);
  switch (declared.kind) {
    // As it was sent: a password may look like a number that JavaScript cannot hold.
    case 'string':
    case 'name':
      return asText(name, sentText(sent));
    case 'lower-case-string':
      return asText(name, sentText(sent)).toLowerCase();
    case 'int':
      return asInteger(name, value);
    case 'float':
      return asFloat(name, value);
    case 'bool':
      return asBoolean(name, value);
    case 'duration':
    case 'signed-duration':
      return asDuration(name, value, declared.kind === 'signed-duration');
    case 'comma-strings':
      return asTexts(name, value, true);
    case 'strings':
      return asTexts(name, value, false);
    case 'comma-ints':
      return asTexts(name, value, true).map((item) => asInteger(name, item));
    case 'slice':
      return asSlice(value);
    case 'map':
      return asMap(name, value);
    case 'key-values':
    case 'header':
      return asKeyValues(name, value);
    case 'time':
      return asTime(name, value);
    case 'any':
      return sent;
  }
}

/** Numbers kept as their text (`JSON.rawJSON`) become numbers where a number is meant. */
function plainNumber(value: unknown): unknown {
  return isRawJson(value) ? Number(value.rawJSON) : value;
}

const sentText = (value: unknown): unknown => (isRawJson(value) ? value.rawJSON : value);

/** Whether a value is a number that JavaScript could not hold exactly, kept as it was sent. */
export function isRawJson(value: unknown): value is { readonly rawJSON: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    (JSON as unknown as { isRawJSON(v: unknown): boolean }).isRawJSON(value)
  );
}

function failed(name: string, expected: string, value: unknown): RequestError {
  return badRequest(
    `Field validation failed: error converting input for field "${name}": expected type '${expected}', got ${typeName(value)}`,
  );
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'null';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function asText(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? '1' : '0';
  throw failed(name, 'string', value);
}

function asInteger(name: string, value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  const number =
    typeof value === 'string' && /^[+-]?\d+$/.test(value.trim()) ? Number(value) : value === '' ? 0 : value;
  // No fractions: half a use cut off would be none, which stands for "without limit".
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw failed(name, 'int', value);
  return number;
}

function asFloat(name: string, value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) throw failed(name, 'float', value);
  return number;
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False', '']);

function asBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 0 || value === 1) return value === 1;
  if (typeof value === 'string') {
    if (TRUE.has(value)) return true;
    if (FALSE.has(value)) return false;
  }
  throw failed(name, 'bool', value);
}

function asDuration(name: string, value: unknown, negativeAllowed: boolean): number {
  const seconds =
    typeof value === 'number' ? value : typeof value === 'string' ? parseDurationSeconds(value) : undefined;
  if (seconds === undefined || !Number.isInteger(seconds) || Math.abs(seconds) > DURATION_SECONDS_MAX)
    throw failed(name, 'duration', value);
  if (seconds < 0 && !negativeAllowed) {
    throw badRequest(
      `Field validation failed: error converting input for field "${name}": cannot provide negative value '${String(seconds)}'`,
    );
  }
  return seconds;
}

/** Of a list or a map: null is an empty text there. */
function asInnerText(name: string, item: unknown): string {
  return item === null ? '' : asText(name, sentText(item));
}

function asTexts(name: string, value: unknown, split: boolean): readonly string[] {
  if (typeof value === 'string') {
    if (value === '') return [];
    return split ? splitAtCommas(name, value) : [value];
  }
  if (Array.isArray(value)) {
    return value.map((item) => {
      const text = asInnerText(name, item);
      return split ? text.trim() : text;
    });
  }
  if (typeof value === 'number' || typeof value === 'boolean') return [asText(name, value)];
  throw failed(name, '[]string', value);
}

/**
 * A text of commas makes a list that the bounds on bodies do not see: its items are counted before they are made.
 *
 * @throws RequestError `bad-request`
 */
function splitAtCommas(name: string, text: string): readonly string[] {
  let items = 1;
  for (let at = text.indexOf(','); at !== -1; at = text.indexOf(',', at + 1)) {
    if (++items > COMMA_ITEMS_MAX)
      throw badRequest(
        `Field validation failed: error converting input for field "${name}": more than ${String(COMMA_ITEMS_MAX)} items`,
      );
  }
  return text.split(',').map((item) => item.trim());
}

function asSlice(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function asMap(name: string, value: unknown): Readonly<Record<string, unknown>> {
  const parsed = typeof value === 'string' && value !== '' ? parseNestedJson(value) : value;
  if (value === '') return Object.create(null) as Record<string, unknown>;
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw failed(name, 'map[string]interface {}', value);
  return parsed as Readonly<Record<string, unknown>>;
}

function asKeyValues(name: string, value: unknown): Readonly<Record<string, string>> {
  const pairs = Object.create(null) as Record<string, string>;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) pairs[key] = asInnerText(name, item);
    return pairs;
  }
  if (typeof value === 'string') {
    const parsed = value.trimStart().startsWith('{') ? parseNestedJson(value) : undefined;
    if (parsed !== undefined) return asKeyValues(name, parsed);
  }
  // "a=b,c=d" is one pair, as in Vault; several come as a list.
  for (const item of asTexts(name, value, false)) {
    const equals = item.indexOf('=');
    if (equals <= 0)
      throw badRequest(
        `Field validation failed: error converting input for field "${name}": expected "key=value" pairs`,
      );
    pairs[item.slice(0, equals).trim()] = item.slice(equals + 1).trim();
  }
  return pairs;
}

function asTime(name: string, value: unknown): number {
  const milliseconds =
    typeof value === 'number'
      ? value * 1000
      : typeof value !== 'string'
        ? Number.NaN
        : /^\d+$/.test(value)
          ? Number(value) * 1000
          : /^\d{4}-\d\d-\d\dT/.test(value)
            ? Date.parse(value)
            : Number.NaN;
  if (!(milliseconds >= 0 && milliseconds <= TIME_MS_MAX)) throw failed(name, 'time', value);
  return milliseconds;
}
