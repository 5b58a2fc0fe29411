import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/**
 * `custom_response_headers` of a listener: headers by `default` (all answers), by a class of status codes (`2xx`) and by
 * one status code (`404`). Names in lower case.
 */
export type ResponseHeaderTable = Readonly<Record<string, Readonly<Record<string, string>>>>;

type Heads = Parameters<ServerResponse['writeHead']>;

/**
 * The headers that a listener adds to its answers. Where a name is given several times, the most specific status wins; what
 * is given here wins over what the answer itself has.
 */
export class ResponseHeaders {
  readonly #table: ResponseHeaderTable;
  readonly #byStatus = new Map<number, ReadonlyMap<string, string>>();

  constructor(table: ResponseHeaderTable) {
    this.#table = table;
  }

  /** By lower-case name. */
  of(status: number): ReadonlyMap<string, string> {
    let found = this.#byStatus.get(status);
    if (!found) {
      const names = ['default', `${String(Math.trunc(status / 100))}xx`, String(status)];
      found = new Map(
        names.flatMap((name) => (Object.hasOwn(this.#table, name) ? Object.entries(this.#table[name] ?? {}) : [])),
      );
      this.#byStatus.set(status, found);
    }
    return found;
  }

  /** Adds them to an answer that somebody else writes, at the moment when its status is known. */
  addTo(response: ServerResponse): void {
    const write = response.writeHead.bind(response) as (...heads: Heads) => ServerResponse;
    response.writeHead = ((...heads: Heads) => {
      const [status] = heads;
      const own = this.of(status);
      for (const [name, value] of own) response.setHeader(name, value);
      return write(...(heads.map((head) => (isHeaders(head) ? without(head, own) : head)) as Heads));
    }) as ServerResponse['writeHead'];
  }
}

const isHeaders = (head: unknown): head is OutgoingHttpHeaders | OutgoingHttpHeader[] =>
  typeof head === 'object' && head !== null;

/** Headers that are given with the status would win over those that were set before. */
function without(
  headers: OutgoingHttpHeaders | OutgoingHttpHeader[],
  names: ReadonlyMap<string, string>,
): OutgoingHttpHeaders | OutgoingHttpHeader[] {
  if (!Array.isArray(headers))
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.has(name.toLowerCase())));
  const kept: OutgoingHttpHeader[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2)
    if (!names.has(String(headers[at]).toLowerCase())) kept.push(headers[at] ?? '', headers[at + 1] ?? '');
  return kept;
}
