import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '@coffer/kernel';

/**
 * Sends a body piece by piece, no faster than the client takes it. A failure breaks the connection off: there is no other
 * way left to tell it.
 */
export function sendStream(response: ServerResponse, body: AsyncIterable<Uint8Array>, log: Log): void {
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
