const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** A record as it is stored: JSON in UTF-8. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Parses stored JSON and freezes it deeply, since the result is shared. */
export function parseFrozen(bytes: Uint8Array): unknown {
  return deepFreeze(JSON.parse(decoder.decode(bytes)));
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
