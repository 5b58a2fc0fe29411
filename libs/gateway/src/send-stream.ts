import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '@coffer/kernel';

/** A client that takes nothing for so long is given up, in milliseconds. */
const SILENCE_MS_MAX = 60_000;

/**
 * Sends a body piece by piece, no faster than the client takes it. A failure breaks the connection off: there is no other
 * way left to tell it.
 */
export function sendStream(response: ServerResponse, body: AsyncIterable<Uint8Array>, log: Log): void {
  // What it holds (a view of the whole state, say) is not held for a client that takes nothing more.
  response.setTimeout(SILENCE_MS_MAX, () => response.destroy(new Error('the client takes nothing more')));
  pipeline(Readable.from(body, { objectMode: false }), response).catch((error: unknown) => {
    response.destroy();
    log.warn('a streamed answer broke off', { error });
  });
}

/** Nobody is there to be answered: lets go of what the body holds. */
export function dropStream(body: AsyncIterable<Uint8Array>, log: Log): void {
  const iterator = body[Symbol.asyncIterator]();
  iterator.return?.().catch((error: unknown) => log.warn('a streamed answer could not be closed', { error }));
}
