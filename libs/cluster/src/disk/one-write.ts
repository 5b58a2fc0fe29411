/** Lets one write of a disk run at a time. */
export class OneWrite {
  /** The last write; the next begins after it. */
  #tail: Promise<void> = Promise.resolve();
  #busy = false;

  /** Runs a write when no other is under way. @throws what the write throws; the next is not held up by that */
  async run(write: () => Promise<void>): Promise<void> {
    while (this.#busy) await this.#tail;
    this.#busy = true;
    const running = write().finally(() => {
      this.#busy = false;
    });
    // Who comes next waits for the end of it, whatever that is; the failure is the caller's.
    this.#tail = running.catch(() => undefined);
    await running;
  }

  /** Resolves when the write that is under way now has come to its end, good or bad. */
  ended(): Promise<void> {
    return this.#tail;
  }
}
