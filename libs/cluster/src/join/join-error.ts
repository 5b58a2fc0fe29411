/**
 * Why a join failed. `wrong-key`: the other side has another seal key (other unseal shares, or another cluster);
 * `stale`: the challenge is unknown, used or too old, take a new one; `busy`: asked too often; `refused`: the other
 * side says no (its text is in the message); `unreachable`: no target answered; `malformed`: what came makes no sense.
 */
export type JoinErrorCode = 'wrong-key' | 'stale' | 'busy' | 'malformed' | 'refused' | 'unreachable';

/** The message is for the operator and carries no secret. */
export class JoinError extends Error {
  override readonly name = 'JoinError';
  readonly code: JoinErrorCode;

  constructor(code: JoinErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The HTTP status that a leader answers each with. */
export const JOIN_STATUS: Readonly<Record<JoinErrorCode, number>> = {
  'wrong-key': 403,
  stale: 403,
  busy: 429,
  malformed: 400,
  refused: 500,
  unreachable: 503,
};
