/** Where a listing of a folder begins, in bytes: with the first name after `after`. */
export function startOfListing(prefix: string, after: string | undefined): Buffer {
  const slash = after?.indexOf('/') ?? -1;
  // A folder is left behind whole: '0' follows '/'.
  if (after !== undefined && slash !== -1) return Buffer.from(`${prefix}${after.slice(0, slash)}0`);
  return Buffer.from(`${prefix}${after ?? ''}\u0000`);
}

/** The first key behind a folder, in bytes; undefined of the root, which has no end. */
export function endOfFolder(prefix: string): Buffer | undefined {
  return prefix === '' ? undefined : Buffer.from(`${prefix.slice(0, -1)}0`);
}

/** The name that a key has in a folder: a folder's own with its slash. */
export function nameIn(prefix: string, key: Buffer): string {
  const rest = key.toString().slice(prefix.length);
  const slash = rest.indexOf('/');
  return slash === -1 ? rest : rest.slice(0, slash + 1);
}
