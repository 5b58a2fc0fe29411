/**
 * `damaged`: it is no archive of a snapshot, or not the whole of one, or not as it was written. `too-large`: some part is
 * larger than allowed. `other-keys`: it was not sealed with the keys that are used here.
 */
export type ArchiveErrorCode = 'damaged' | 'too-large' | 'other-keys';

/** An archive that is refused; the message says why. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  readonly code: ArchiveErrorCode;

  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
