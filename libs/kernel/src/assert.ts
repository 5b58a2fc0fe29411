/** A broken invariant: a defect of this program, never of its input. It ends the process (see the server's main). */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/**
 * Checks an invariant in production, too. `invariant` names the rule that was broken and never carries data, since it
 * reaches logs.
 *
 * @throws AssertionFailure
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailure(invariant);
}

/** The end of an exhaustive `switch`: does not compile while a case is missing. */
export function assertNever(value: never, what: string): never {
  void value;
  throw new AssertionFailure(`unhandled case of ${what}`);
}
