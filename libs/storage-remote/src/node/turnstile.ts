interface Round {
  readonly done: Promise<void>;
  readonly start: () => void;
}

/**
 * Runs one thing at a time for many who want it: who comes while it runs shares the next run, which begins after they
 * came. So a thousand reads cost two questions.
 */
export class Turnstile {
  readonly #run: () => Promise<void>;
  #running = false;
  #next: Round | undefined;

  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Resolves after a run that began after the call. @throws what the run throws */
  pass(): Promise<void> {
    if (!this.#running) return this.#begin();
    this.#next ??= this.#later();
    return this.#next.done;
  }

  #later(): Round {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    return { done: promise.then(() => this.#begin()), start: () => resolve(undefined) };
  }

  async #begin(): Promise<void> {
    this.#running = true;
    try {
      await this.#run();
    } finally {
      this.#running = false;
      const next = this.#next;
      this.#next = undefined;
      next?.start();
    }
  }
}
