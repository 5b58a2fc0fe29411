const CAUSES_MAX = 5;

/** What is looked at of an error; it may come from another realm. */
interface Reason {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
}

/** Why something failed, in a few words: the code and message of what is at the bottom of an error. */
export function reasonOf(error: unknown): string {
  let { name, message, code, cause } = fieldsOf(error);
  for (let depth = 0; depth < CAUSES_MAX && typeof cause === 'object' && cause !== null; depth++)
    ({ name, message, code, cause } = fieldsOf(cause));
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time';
  const text = typeof message === 'string' ? message : '';
  if (typeof code === 'string' && !text.startsWith(code)) return text === '' ? code : `${code} (${text})`;
  return text === '' ? 'unknown error' : text;
}

const fieldsOf = (error: unknown): Reason => (typeof error === 'object' && error !== null ? error : {});
