import type { IncomingMessage } from 'node:http';
import { RequestError } from '@coffer/sdk';

const NOTHING = new Uint8Array(0);

/**
 * Collects a body. A length that is announced too large is refused before a byte is read, one that grows too large as
 * soon as it does.
 *
 * @throws RequestError `too-large`, or `bad-request` when the client goes away
 */
export function readBody(message: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const announced = Number(message.headers['content-length'] ?? 0);
  if (announced > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    message.on('data', (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > bytesMax) {
        message.removeAllListeners('data');
        message.pause();
        reject(tooLarge(bytesMax));
      } else chunks.push(chunk);
    });
    message.on('end', () =>
      resolve(chunks.length === 0 ? NOTHING : chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)),
    );
    message.on('error', (cause) => reject(new RequestError('bad-request', 'the request body ended early', { cause })));
    message.on('aborted', () => reject(new RequestError('bad-request', 'the request body ended early')));
  });
}

function tooLarge(bytesMax: number): RequestError {
  return new RequestError('too-large', `http: request body too large: at most ${String(bytesMax)} bytes are accepted`);
}
