/** Runs one thing after the other, whatever happens to the earlier ones. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` once all that came before is over. @throws what `work` throws */
  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    // The caller hears of a failure; the next in turn does not.
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }
}
