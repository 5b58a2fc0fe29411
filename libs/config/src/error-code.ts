/** The code of a system error, such as ENOENT; for the reader of a message. Looks at the shape: realms have classes of their own. */
export function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown error';
}
