/** The keys of batches as the feed keeps them: JSON, since keys are text. */
export function encodeKeys(batches: readonly (readonly string[])[]): Buffer {
  return Buffer.from(JSON.stringify(batches));
}

/** @throws SyntaxError, TypeError if it is none */
export function decodeKeys(bytes: Uint8Array): readonly (readonly string[])[] {
  const batches = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as unknown;
  if (!Array.isArray(batches) || !batches.every((keys) => Array.isArray(keys)))
    throw new TypeError('an entry of the feed of changes cannot be read');
  return batches as string[][];
}
