import type { StorageError } from '@coffer/storage';

/** Lets callers wait until something about the node is so; looked at again whenever anything changed. */
export class Conditions {
  readonly #watchers = new Set<() => void>();
  readonly #ended: () => StorageError | boolean;

  /** @param ended whether nothing will change any more: true, or the failure that waiting callers get */
  constructor(ended: () => StorageError | boolean) {
    this.#ended = ended;
  }

  /**
   * Resolves when the condition holds, the signal is aborted or the node was stopped: the caller looks which.
   *
   * @throws StorageError the failure of the node
   */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const ended = this.#ended();
        if (ended === false && signal?.aborted !== true && !condition()) return;
        this.#watchers.delete(look);
        signal?.removeEventListener('abort', look);
        if (typeof ended === 'boolean') resolve();
        else reject(ended);
      };
      this.#watchers.add(look);
      signal?.addEventListener('abort', look, { once: true });
      look();
    });
  }

  /** Something changed. */
  notice(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
