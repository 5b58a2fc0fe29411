import { badRequest, isRawJson } from '@coffer/sdk';

const KEYS_MAX = 64;
const KEY_BYTES_MAX = 128;
const VALUE_BYTES_MAX = 512;

/** Texts that operators attach to a key. @throws RequestError naming the rule that is broken */
export function checkCustomMetadata(sent: unknown): Readonly<Record<string, string>> {
  // an empty list is a map of nothing, as Go decodes it
  if (Array.isArray(sent) && sent.length === 0) return {};
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) {
    throw badRequest('error converting input for field "custom_metadata": expected a map of strings');
  }
  const pairs = Object.entries(sent).map(([key, value]) => [key, textOf(key, value)] as const);
  if (pairs.length > KEYS_MAX)
    throw badRequest(
      `custom_metadata validation failed: payload must contain at most ${String(KEYS_MAX)} keys, provided ${String(pairs.length)}`,
    );
  for (const [key, value] of pairs) {
    const keyBytes = Buffer.byteLength(key);
    if (keyBytes === 0 || keyBytes > KEY_BYTES_MAX) {
      throw badRequest(
        `custom_metadata validation failed: length of key "${key}" is ${String(keyBytes)} but must be 0 < len(key) <= ${String(KEY_BYTES_MAX)}`,
      );
    }
    if (Buffer.byteLength(value) === 0 || Buffer.byteLength(value) > VALUE_BYTES_MAX) {
      throw badRequest(
        `custom_metadata validation failed: length of value for key "${key}" is ${String(Buffer.byteLength(value))} but must be 0 < len(value) <= ${String(VALUE_BYTES_MAX)}`,
      );
    }
    if (/[\p{Cc}\p{Cs}]/u.test(key) || /[\p{Cc}\p{Cs}]/u.test(value)) {
      throw badRequest(
        `custom_metadata validation failed: key "${key}" and its value may contain printable characters only`,
      );
    }
  }
  return Object.fromEntries(pairs);
}

/** Numbers and truths become texts, as Vault has it. @throws RequestError for lists and maps */
function textOf(key: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(value);
  if (isRawJson(value)) return value.rawJSON;
  if (value === null) return '';
  throw badRequest(`custom_metadata validation failed: the value of key "${key}" must be a string`);
}
