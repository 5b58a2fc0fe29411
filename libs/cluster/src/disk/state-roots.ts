import type { LogIndex } from 'raft-ts';

/*
 * Where states live in the database. An installed snapshot goes to the other generation, a restored state to a root of
 * its own, named by the entry that began it: what is left of an attempt never gets mixed with another.
 */

/** Keys from `gte` (inclusive) to `lt` (exclusive). */
export interface KeyInterval {
  readonly gte: string;
  readonly lt: string;
}

/** @param root 0, or the index of the entry that began the restore */
export function statePrefix(generation: number, root: LogIndex): string {
  return root === 0 ? `s${String(generation)}/` : `s${String(generation)}r${String(root)}/`;
}

/** All keys below a prefix that ends with `/`. */
export function below(prefix: string): KeyInterval {
  return { gte: prefix, lt: `${prefix.slice(0, -1)}0` };
}

/** Everything of one generation, whatever its root. */
export function generationKeys(generation: number): KeyInterval {
  return { gte: `s${String(generation)}`, lt: `s${String(generation + 1)}` };
}

/** The prefixes of all states that a database holds. @param firstKey finds the first key of an interval */
export async function statesIn(firstKey: (within: KeyInterval) => Promise<string | undefined>): Promise<string[]> {
  const found: string[] = [];
  let from = 's';
  for (;;) {
    const key = await firstKey({ gte: from, lt: 't' });
    if (key === undefined) return found;
    const prefix = key.slice(0, key.indexOf('/') + 1);
    found.push(prefix);
    from = below(prefix).lt;
  }
}
