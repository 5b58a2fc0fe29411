import type { ListOptions } from '@coffer/storage';
import type { Level } from './open-level.ts';

/** How many keys are fetched at first, and again after each leap. */
const PAGE_KEYS = 64;
const PAGE_KEYS_MAX = 1024;
const PAGE_BYTES = 64 << 10;

/**
 * The names directly below a folder. Where a page of keys ends within a subfolder, it leaps over the rest of it, so that
 * the cost follows the number of names and not of descendants.
 */
export async function listNames(db: Level, root: string, folder: string, options: ListOptions): Promise<string[]> {
  const base = root + folder;
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const names: string[] = [];
  if (limit <= 0) return names;
  const iterator = db.keys({ ...beginning(base, options.after), lt: behind(base), highWaterMarkBytes: PAGE_BYTES });
  let page = PAGE_KEYS;
  try {
    for (;;) {
      const keys = await iterator.nextv(page);
      if (keys.length === 0) return names;
      let within: string | undefined;
      for (const key of keys) {
        if (key.length === base.length || (within !== undefined && key.startsWith(within))) continue;
        const slash = key.indexOf('/', base.length);
        within = slash < 0 ? undefined : key.slice(0, slash + 1);
        names.push((within ?? key).slice(base.length));
        if (names.length >= limit) return names;
      }
      if (within !== undefined) iterator.seek(behind(within));
      page = within === undefined ? Math.min(page * 4, PAGE_KEYS_MAX) : PAGE_KEYS;
    }
  } finally {
    await iterator.close();
  }
}

/** The first key behind all those that begin with a prefix that ends with `/`. */
function behind(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}

function beginning(base: string, after: string | undefined): { gt: string } | { gte: string } {
  if (after === undefined || after === '') return { gte: base };
  return after.endsWith('/') ? { gte: behind(base + after) } : { gt: base + after };
}
