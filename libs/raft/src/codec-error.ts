/** Bytes that are no message or entry. The text says what was expected and never what was there. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}
