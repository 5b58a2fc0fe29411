import type { IncomingMessage } from 'node:http';
import type { Clock } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { BodyShare } from './body-budget.ts';

const NOTHING = new Uint8Array(0);

/** What a body may be and take. */
export interface BodyLimits {
  readonly bodyBytesMax: number;
  /** Milliseconds until it must be there; 0 for as long as it takes. */
  readonly bodyTimeoutMs: number;
}

/**
 * Collects a body. A length that is announced too large is refused before a byte is read, one that grows too large as
 * soon as it does, one that trickles in when its time is over, and one for which there is no room when that is found.
 *
 * @throws RequestError `too-large`, `request-timeout`, `standby`, or `bad-request` when the client goes away
 */
export function readBody(
  message: IncomingMessage,
  limits: BodyLimits,
  clock: Clock,
  share: BodyShare,
): Promise<Uint8Array> {
  const { bodyBytesMax, bodyTimeoutMs } = limits;
  const announced = Number(message.headers['content-length'] ?? 0);
  if (announced > bodyBytesMax) return Promise.reject(tooLarge(bodyBytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const cancelTimeout =
      bodyTimeoutMs > 0 ? clock.after(bodyTimeoutMs, () => refuse(new RequestError('request-timeout'))) : undefined;
    const refuse = (error: RequestError): void => {
      cancelTimeout?.();
      message.removeAllListeners('data');
      message.pause();
      reject(error);
    };
    message.on('data', (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > bodyBytesMax) refuse(tooLarge(bodyBytesMax));
      else if (!share.budget.take(share, chunk.length)) refuse(noRoom());
      else chunks.push(chunk);
    });
    message.on('end', () => {
      cancelTimeout?.();
      resolve(chunks.length === 0 ? NOTHING : chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks));
    });
    message.on('error', (cause) => refuse(new RequestError('bad-request', 'the request body ended early', { cause })));
    message.on('aborted', () => refuse(new RequestError('bad-request', 'the request body ended early')));
  });
}

function noRoom(): RequestError {
  return new RequestError('standby', 'this node holds too much of requests that are not answered yet; try again', {
    retryAfterSeconds: 1,
  });
}

function tooLarge(bytesMax: number): RequestError {
  return new RequestError('too-large', `http: request body too large: at most ${String(bytesMax)} bytes are accepted`);
}
