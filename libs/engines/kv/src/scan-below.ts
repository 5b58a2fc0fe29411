import type { Page, ReadableView } from '@coffer/sdk';

/** So many keys at a time, so that a large mount neither fills the memory nor blocks the loop. */
const KEYS_PER_ROUND = 1000;

/** Whether a caller goes page by page. */
export const isPaged = (page: { readonly after?: string | undefined; readonly limit?: number | undefined }): boolean =>
  (page.after !== undefined && page.after !== '') || (page.limit !== undefined && page.limit > 0);

/** The names of all entries below a folder ('' or ending with `/`), relative to it, sorted by bytes. */
export async function scanBelow(view: ReadableView, folder: string, page: Page): Promise<string[]> {
  const names: string[] = [];
  const wanted = page.limit ?? Number.POSITIVE_INFINITY;
  let from = folder + (page.after === undefined ? '' : `${page.after}\u0001`);
  while (names.length < wanted) {
    const limit = Math.min(KEYS_PER_ROUND, wanted - names.length);
    const keys = await view.keys({ from, to: `${folder}\u{10ffff}`, limit });
    names.push(...keys.map((key) => key.slice(folder.length)));
    const last = keys.at(-1);
    if (keys.length < limit || last === undefined) break;
    from = `${last}\u0001`;
  }
  return names;
}
