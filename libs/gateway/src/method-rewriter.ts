import type { Socket } from 'node:net';

/*
 * Node's HTTP/1.1 parser knows neither LIST nor SCAN and answers 400 before any of our code runs. So the first bytes of
 * such a message are rewritten, in place and before the parser sees them, to a method of the same length that it knows
 * and that nothing here serves. Only at the start of a message: the bytes are framed by RFC 9112, sections 2 and 6, as
 * they arrive. Whatever is not plainly framed (both lengths, folded headers, an unknown transfer coding, a head that
 * is too long) ends the rewriting on that connection, and the parser judges it alone; nothing is ever inserted or removed.
 */

/** What LIST and SCAN are called between the socket and the gateway. Clients that send these get 405. */
export const STAND_INS: ReadonlyMap<string, string> = new Map([
  ['LINK', 'LIST'],
  ['BIND', 'SCAN'],
]);

/** What clients' own LINK and BIND become: methods that the gateway refuses. */
const REWRITES: readonly (readonly [Buffer, Buffer])[] = [
  [Buffer.from('LIST '), Buffer.from('LINK ')],
  [Buffer.from('SCAN '), Buffer.from('BIND ')],
  [Buffer.from('LINK '), Buffer.from('LOCK ')],
  [Buffer.from('BIND '), Buffer.from('LOCK ')],
];
const METHOD_BYTES = 5;
const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const CHUNK_LINE_BYTES_MAX = 1024;

type State =
  | { readonly at: 'start'; readonly held: Buffer }
  | { readonly at: 'head'; readonly held: Buffer }
  | { readonly at: 'body'; readonly remaining: number }
  | { readonly at: 'chunk-size'; readonly held: Buffer }
  | { readonly at: 'chunk-data'; readonly remaining: number }
  | { readonly at: 'trailers'; readonly held: Buffer }
  | { readonly at: 'off' };

const NOTHING = Buffer.alloc(0);
const START: State = { at: 'start', held: NOTHING };
const OFF: State = { at: 'off' };

/** Rewrites the methods of the messages that arrive on one connection. */
export class MethodRewriter {
  #state: State = START;

  /** Listens before the HTTP parser does. */
  static attach(socket: Socket): void {
    const rewriter = new MethodRewriter();
    socket.prependListener('data', (chunk: Buffer) => rewriter.rewrite(chunk));
  }

  /** Changes the chunk in place. */
  rewrite(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#state.at !== 'off') at = this.#step(chunk, at);
  }

  #step(chunk: Buffer, at: number): number {
    const state = this.#state;
    switch (state.at) {
      case 'start':
        return this.#start(chunk, at, state.held);
      case 'head':
        return this.#head(chunk, at, state.held);
      case 'body':
      case 'chunk-data':
        return this.#skip(chunk, at, state);
      case 'chunk-size':
        return this.#chunkSize(chunk, at, state.held);
      case 'trailers':
        return this.#trailers(chunk, at, state.held);
      case 'off':
        return chunk.length;
    }
  }

  /**
   * A method that is split over chunks cannot be rewritten whole, but its letters can: LIST and LINK differ in the third
   * and fourth, SCAN and BIND in all; so a split SCAN is left to the parser, which refuses it (no client splits there).
   * A client's own LINK or BIND, split, loses the space behind it: the parser refuses that too.
   */
  #start(chunk: Buffer, at: number, held: Buffer): number {
    if (held.length === 0 && (chunk[at] === 0x0d || chunk[at] === 0x0a)) return at + 1;
    if (held.length === 0 && chunk.length - at >= METHOD_BYTES) {
      for (const [from, to] of REWRITES) {
        if (chunk.compare(from, 0, METHOD_BYTES, at, at + METHOD_BYTES) === 0) {
          to.copy(chunk, at);
          break;
        }
      }
      this.#state = { at: 'head', held: NOTHING };
      return at;
    }
    const begun = Buffer.concat([held, chunk.subarray(at, at + METHOD_BYTES - held.length)]);
    const taken = begun.length - held.length;
    if (LIST_BYTES.subarray(0, begun.length).equals(begun)) LINK_BYTES.copy(chunk, at, held.length, begun.length);
    else if (begun.length === METHOD_BYTES && (LINK_BYTES.equals(begun) || BIND_BYTES.equals(begun)))
      chunk[at + taken - 1] = 0x58;
    this.#state = begun.length < METHOD_BYTES ? { at: 'start', held: begun } : { at: 'head', held: begun };
    return at + taken;
  }

  #head(chunk: Buffer, at: number, held: Buffer): number {
    const { text, next } = take(chunk, at, held, HEAD_END);
    if (next === undefined) {
      this.#state = text.length > HEAD_BYTES_MAX ? OFF : { at: 'head', held: Buffer.from(text) };
      return chunk.length;
    }
    this.#state = bodyOf(text.toString('latin1'));
    return next;
  }

  #skip(chunk: Buffer, at: number, state: State & { readonly at: 'body' | 'chunk-data' }): number {
    const skipped = Math.min(state.remaining, chunk.length - at);
    const remaining = state.remaining - skipped;
    if (remaining > 0) this.#state = { ...state, remaining };
    else this.#state = state.at === 'body' ? START : { at: 'chunk-size', held: NOTHING };
    return at + skipped;
  }

  #chunkSize(chunk: Buffer, at: number, held: Buffer): number {
    const { text, next } = take(chunk, at, held, LINE_END);
    if (next === undefined) {
      this.#state = text.length > CHUNK_LINE_BYTES_MAX ? OFF : { at: 'chunk-size', held: Buffer.from(text) };
      return chunk.length;
    }
    const [, digits] = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[^\r\n]*)?\r\n$/.exec(text.toString('latin1')) ?? [];
    const size = digits === undefined ? Number.NaN : Number.parseInt(digits, 16);
    if (Number.isNaN(size)) this.#state = OFF;
    else if (size === 0) this.#state = { at: 'trailers', held: NOTHING };
    else this.#state = { at: 'chunk-data', remaining: size + LINE_END.length };
    return next;
  }

  #trailers(chunk: Buffer, at: number, held: Buffer): number {
    const { text, next } = take(chunk, at, held, LINE_END);
    if (next === undefined) {
      this.#state = text.length > HEAD_BYTES_MAX ? OFF : { at: 'trailers', held: Buffer.from(text) };
      return chunk.length;
    }
    this.#state = text.length === LINE_END.length ? START : { at: 'trailers', held: NOTHING };
    return next;
  }
}

const LIST_BYTES = Buffer.from('LIST ');
const LINK_BYTES = Buffer.from('LINK ');
const BIND_BYTES = Buffer.from('BIND ');

/** The bytes up to and with `end`, joined with what was held; `next` is where the chunk goes on, undefined if not found. */
function take(
  chunk: Buffer,
  at: number,
  held: Buffer,
  end: Buffer,
): { readonly text: Buffer; readonly next: number | undefined } {
  if (held.length === 0) {
    const found = chunk.indexOf(end, at);
    if (found === -1) return { text: chunk.subarray(at), next: undefined };
    return { text: chunk.subarray(at, found + end.length), next: found + end.length };
  }
  const joined = Buffer.concat([held, chunk.subarray(at)]);
  const found = joined.indexOf(end, Math.max(0, held.length - end.length));
  if (found === -1) return { text: joined, next: undefined };
  return { text: joined.subarray(0, found + end.length), next: at + found + end.length - held.length };
}

/** What follows a head. Anything but one plain length or `chunked` alone: off. */
function bodyOf(head: string): State {
  const lines = head.split('\r\n');
  let length: number | undefined;
  let chunked = false;
  for (const line of lines.slice(1)) {
    if (line.startsWith(' ') || line.startsWith('\t') || line.includes('\n') || line.includes('\r')) return OFF;
    const colon = line.indexOf(':');
    // Only these names matter, and they are this long.
    if (colon !== 14 && colon !== 17 && colon !== 7) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'content-length') {
      if (length !== undefined || !/^\d{1,15}$/.test(value)) return OFF;
      length = Number(value);
    } else if (name === 'transfer-encoding') {
      if (chunked || value.toLowerCase() !== 'chunked') return OFF;
      chunked = true;
    } else if (name === 'upgrade') return OFF;
  }
  if (chunked) return length === undefined ? { at: 'chunk-size', held: NOTHING } : OFF;
  return length === undefined || length === 0 ? START : { at: 'body', remaining: length };
}
