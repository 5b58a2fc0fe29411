/**
 * What became of a request that another node should have served. `unsent`: nothing was done, it may go well elsewhere or
 * in a moment. `busy`: nothing was done, and too many wait already. `too-large`: nothing was done, and never will be.
 * `interrupted`: it may have taken effect.
 */
export type ForwardFailureKind = 'unsent' | 'busy' | 'too-large' | 'interrupted';

/** An expected failure to forward. The message is for the operator and carries no data. */
export class ForwardFailure extends Error {
  override readonly name = 'ForwardFailure';
  readonly kind: ForwardFailureKind;

  constructor(kind: ForwardFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
