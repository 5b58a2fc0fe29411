import { isRawJson } from '@coffer/sdk';

/** An escape of half a surrogate pair, of which the other half may be missing. */
const HALF = /\\u[dD][89a-fA-F]/;

/** Whether JSON may hold halves of surrogate pairs. */
export const mayHoldHalves = (json: string): boolean => HALF.test(json);

/**
 * A value with U+FFFD in place of halves of surrogate pairs, in texts and names, as Go's decoder has it. They have no form
 * in UTF-8: two names that differ in them would become one where they are stored or hashed.
 */
export function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) {
    const shape = { value: wellFormed(inner), enumerable: true, writable: true, configurable: true };
    Object.defineProperty(copy, name.toWellFormed(), shape);
  }
  return copy;
}
