import { isPromise } from '@coffer/kernel';
import type { ParsingBackend } from '@coffer/storage';
import { endOf } from './records.ts';

const BATCH = 64;
const CONCURRENT_MAX = 16;

/** Visits all keys below a prefix, a batch at a time; what is deleted on the way does no harm. */
export async function inPages(
  backend: ParsingBackend,
  prefix: string,
  visit: (keys: readonly string[]) => Promise<void>,
): Promise<void> {
  const to = endOf(prefix);
  for (let from = prefix; ;) {
    const found = backend.keys({ from, to, limit: BATCH });
    const keys = isPromise(found) ? await found : found;
    const last = keys.at(-1);
    if (last === undefined) return;
    await visit(keys);
    from = `${last}\u0000`;
  }
}

/** All of them, some at a time. @throws the first failure, once all were tried */
export async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await run(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_MAX, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
