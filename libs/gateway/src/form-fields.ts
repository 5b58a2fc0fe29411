import { badRequest } from '@coffer/sdk';

/** Fields of a form. */
const FIELDS_MAX = 10_000;
const AMPERSAND = 0x26;

/** What the flags of a query mean is decided elsewhere; they are no fields. */
const FLAGS: ReadonlySet<string> = new Set(['list', 'scan', 'help']);

/**
 * The body of a form as fields. Its parts are counted before it is taken apart.
 *
 * @throws RequestError `bad-request`
 */
export function formFields(body: Uint8Array): Record<string, unknown> {
  let parts = 1;
  for (let at = body.indexOf(AMPERSAND); at !== -1; at = body.indexOf(AMPERSAND, at + 1)) {
    if (++parts > FIELDS_MAX) throw badRequest(`failed to decode the form: more than ${String(FIELDS_MAX)} fields`);
  }
  return queryFields(new URLSearchParams(Buffer.from(body).toString('utf8')));
}

/** Fields of a query: a name once is a text, several times a list. Takes linear time. */
export function queryFields(query: URLSearchParams): Record<string, unknown> {
  const lists = new Map<string, string[]>();
  for (const [name, value] of query) {
    if (FLAGS.has(name)) continue;
    const list = lists.get(name);
    if (list) list.push(value);
    else lists.set(name, [value]);
  }
  const data = Object.create(null) as Record<string, unknown>;
  for (const [name, list] of lists) data[name] = list.length === 1 ? list[0] : list;
  return data;
}
