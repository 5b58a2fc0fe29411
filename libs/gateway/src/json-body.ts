import { RequestError, badRequest } from '@coffer/sdk';
import { mayHoldHalves, wellFormed } from './well-formed.ts';

/** Bounds on JSON, checked on the bytes before anything is parsed (CVE-2025-6203, CVE-2025-12044). */
export interface JsonLimits {
  readonly depthMax: number;
  /** Members of all objects and items of all arrays together. */
  readonly membersMax: number;
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { depthMax: 300, membersMax: 250_000 };

/** For bodies that were measured before. */
export const NO_JSON_LIMITS: JsonLimits = { depthMax: Infinity, membersMax: Infinity };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

interface Shape {
  /** Some number may not survive as a JavaScript number. */
  readonly delicateNumbers: boolean;
}

/** One pass over the bytes. @throws RequestError */
function measure(body: Uint8Array, limits: JsonLimits): Shape {
  let depth = 0;
  let members = 0;
  let delicate = false;
  let digits = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte === QUOTE) {
      at = endOfString(body, at + 1);
      digits = 0;
      continue;
    }
    if (byte >= 0x30 && byte <= 0x39) {
      if (++digits > 15) delicate = true;
      continue;
    }
    // A point or exponent within a number: 1.0 and 1e2 must come back as they were sent.
    if (digits > 0 && (byte === 0x2e || byte === 0x65 || byte === 0x45)) delicate = true;
    digits = byte === 0x2d && body[at + 1] === 0x30 ? 16 : 0;
    if (byte === 0x7b || byte === 0x5b) {
      if (++depth > limits.depthMax)
        throw badRequest(`failed to decode JSON input: more than ${String(limits.depthMax)} levels of nesting`);
      members++;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === COMMA || byte === COLON) members++;
    if (members > limits.membersMax * 2)
      throw badRequest(`failed to decode JSON input: more than ${String(limits.membersMax)} members`);
  }
  return { delicateNumbers: delicate };
}

function endOfString(body: Uint8Array, from: number): number {
  let at = from;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a request's body: an object, or nothing. Of double keys the last one counts, as in Vault. `__proto__` is a
 * key like any other. Numbers that JavaScript cannot hold exactly are kept as their text (`JSON.rawJSON`).
 *
 * @throws RequestError `bad-request`
 */
export function parseJsonBody(body: Uint8Array, limits: JsonLimits = DEFAULT_JSON_LIMITS): Record<string, unknown> {
  if (body.length === 0) return Object.create(null) as Record<string, unknown>;
  const { delicateNumbers } = measure(body, limits);
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (cause) {
    throw new RequestError('bad-request', 'failed to decode JSON input: invalid UTF-8', { cause });
  }
  if (text.trim() === '') return Object.create(null) as Record<string, unknown>;
  let value: unknown;
  try {
    value = delicateNumbers ? parseExactly(text) : JSON.parse(text);
    if (mayHoldHalves(text)) value = wellFormed(value);
  } catch {
    // The parser's own message quotes the body (CVE-2025-4166): it goes nowhere.
    throw badRequest('failed to decode JSON input: invalid JSON');
  }
  if (value === null) return Object.create(null) as Record<string, unknown>;
  if (typeof value !== 'object' || Array.isArray(value) || isRawJson(value)) {
    const got = Array.isArray(value) ? 'an array' : isRawJson(value) ? 'a number' : `a ${typeof value}`;
    throw badRequest(`failed to decode JSON input: expected an object, got ${got}`);
  }
  return Object.assign(
    Object.create(null) as Record<string, unknown>,
    Object.getOwnPropertyDescriptor(value, '__proto__') ? copyOwn(value) : value,
  );
}

/** Own properties one by one: assignment would run the `__proto__` setter. */
function copyOwn(value: object): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, inner] of Object.entries(value))
    Object.defineProperty(copy, key, { value: inner, enumerable: true, writable: true, configurable: true });
  return copy;
}

/** `JSON.rawJSON` and the reviver's `context.source` (ECMA-262, JSON.parse source text access) are newer than the types. */
const { rawJSON: rawJson, isRawJSON: isRawJson } = JSON as unknown as {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
};

function parseExactly(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
    return rawJson(source);
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}
