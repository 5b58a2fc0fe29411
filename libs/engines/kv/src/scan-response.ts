import type { Response } from '@coffer/sdk';

/**
 * The answer to a scan: unlike a list, one of nothing is an answer, too.
 *
 * @param paged whether the caller goes page by page: then names are in the order of their bytes, in which a page goes on
 *   after a name. Else each folder's own names come before those of the folders in it, as clients know it.
 */
export function scanResponse(
  names: readonly string[],
  paged: boolean,
  keyInfo?: Readonly<Record<string, unknown>>,
): Response {
  if (names.length === 0) return { data: {} };
  const keys = paged ? names : byFolder(names);
  return { data: keyInfo === undefined ? { keys } : { key_info: keyInfo, keys } };
}

/** Folders from the last to the first, the names of each before what lies in its folders. */
function byFolder(names: readonly string[]): string[] {
  const below = new Map<string, string[]>();
  for (const name of names) {
    const folder = name.slice(0, name.lastIndexOf('/') + 1);
    const there = below.get(folder);
    if (there) there.push(name);
    else below.set(folder, [name]);
  }
  // A stack: of the folders in a folder, the last is visited first, with all that is in it.
  const key = (folder: string): string[] => folder.split('/').slice(0, -1);
  return [...below.keys()].sort((a, b) => compareFolders(key(a), key(b))).flatMap((folder) => below.get(folder) ?? []);
}

function compareFolders(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [x, y] = [`${a[at] ?? ''}/`, `${b[at] ?? ''}/`];
    if (x !== y) return x < y ? 1 : -1;
  }
  return a.length - b.length;
}
