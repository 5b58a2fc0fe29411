import type { CancelTimer, Clock } from '@coffer/kernel';
import { InmemBackend, OptimisticTransactor, StorageError } from '@coffer/storage';
import type { KeyRange, ParsingBackend, WriteBatch, WriteResult } from '@coffer/storage';

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  every(): CancelTimer {
    return () => undefined;
  }

  /** Goes on, running each timer at its time and what it set off to its end. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await settled();
    }
    this.#nowMs = untilMs;
  }
}

/** Until all that waits for nothing but other promises is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A store in memory that parses, counts what is read, and can be made to fail. */
export class TestStore extends InmemBackend implements ParsingBackend {
  /** The writes after so many more fail. */
  writesLeft = Number.POSITIVE_INFINITY;
  keysRead = 0;
  valuesRead = 0;

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    this.valuesRead += 1;
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }

  override keys(range: KeyRange): string[] {
    const found = super.keys(range);
    this.keysRead += found.length;
    return found;
  }

  override write(batch: WriteBatch): Promise<WriteResult> {
    if (this.writesLeft <= 0) return Promise.reject(new StorageError('disk', 'the disk is full'));
    this.writesLeft -= 1;
    return super.write(batch);
  }

  transactor(): OptimisticTransactor {
    return new OptimisticTransactor(this, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  }
}
