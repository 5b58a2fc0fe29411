import type { Reader, Transactor } from '@coffer/storage';
import { ACCESSOR_KEYS, PARENT_KEYS, parseAccessor, parseToken, tokenKey, encode } from './records.ts';

export interface TidyResult {
  readonly accessorsRemoved: number;
  readonly childrenRemoved: number;
}

const PAGE = 128;

/** Removes accessors and parents' index entries that lead nowhere; children of parents that are gone become orphans. */
export async function tidyTokens(deps: {
  readonly backend: Reader;
  readonly transactor: Transactor;
}): Promise<TidyResult> {
  const accessorsRemoved = await eachPage(deps, ACCESSOR_KEYS, async (tx, key) => {
    const record = await tx.getParsed(key, parseAccessor);
    if (!record || (await tx.get(tokenKey(record.saltedId))) !== undefined) return false;
    tx.delete(key);
    return true;
  });
  const childrenRemoved = await eachPage(deps, PARENT_KEYS, async (tx, key) => {
    const [parent = '', child = ''] = key.slice(PARENT_KEYS.length).split('/');
    const entry = await tx.getParsed(tokenKey(child), parseToken);
    if (entry && (await tx.get(tokenKey(parent))) !== undefined) return false;
    if (entry) tx.put(tokenKey(child), encode({ ...entry, parent: '' }));
    tx.delete(key);
    return true;
  });
  return { accessorsRemoved, childrenRemoved };
}

async function eachPage(
  deps: { readonly backend: Reader; readonly transactor: Transactor },
  prefix: string,
  visit: (tx: Parameters<Parameters<Transactor['run']>[0]>[0], key: string) => Promise<boolean>,
): Promise<number> {
  let removed = 0;
  for (let from = prefix; ;) {
    const keys = await deps.backend.keys({ from, to: `${prefix}~`, limit: PAGE });
    const last = keys.at(-1);
    if (last === undefined) return removed;
    removed += await deps.transactor.run(async (tx) => {
      let count = 0;
      for (const key of keys) if (await visit(tx, key)) count += 1;
      return count;
    });
    from = `${last}\u0000`;
  }
}
