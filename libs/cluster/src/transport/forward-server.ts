import type { Log } from '@coffer/kernel';
import { AssertionFailure } from '@coffer/kernel';
import type { Connection } from './connection.ts';
import { failureHead, idHead, readForwardFrame } from './forward-frames.ts';
import type { FailureCode } from './forward-frames.ts';
import { FrameType } from './frame.ts';
import type { LogGate } from './log-gate.ts';
import { ProtocolError } from './protocol-error.ts';
import { NO_BYTES } from './send-queue.ts';

export type ForwardHandler = (payload: Uint8Array, from: string, signal: AbortSignal) => Promise<Uint8Array>;

/** Answers that wait for a slow reader; beyond it no further requests are read from it. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;
/** What was under way then may still add to it; with so much a peer takes nothing, or too slowly, and is given up. */
const UNREAD_BYTES_END = 96 * 1024 * 1024;

/** What requests are served with; shared by all connections. */
export interface ForwardService {
  readonly handlers: ReadonlyMap<string, ForwardHandler>;
  readonly requestsMax: number;
  /** Payloads of requests under way beyond which no further ones are read from a connection. */
  readonly inFlightBytesMax: number;
  readonly log: Log;
  /** What a peer can bring about at will is logged now and then. */
  readonly gate: LogGate;
}

/**
 * Serves the requests of one connection, all at once up to the bound that its hello announced, answering each when it
 * is done. When the connection ends, what is under way is cancelled.
 */
export function serveForward(
  connection: Connection,
  from: { readonly nodeId: string; readonly payloadBytesMax: number },
  service: ForwardService,
  payloadBytesMax: number,
): void {
  const underWay = new Map<number, { readonly controller: AbortController; readonly bytes: number }>();
  let underWayBytes = 0;
  let heldUp = false;

  const holdUp = (): void => {
    if (heldUp || (connection.queuedBytes <= UNREAD_BYTES_MAX && underWayBytes <= service.inFlightBytesMax)) return;
    heldUp = true;
    connection.pause();
  };
  const goOn = (): void => {
    const room = connection.queuedBytes <= UNREAD_BYTES_MAX / 2 && underWayBytes <= service.inFlightBytesMax / 2;
    if (!heldUp || !room) return;
    heldUp = false;
    connection.resume();
  };
  const answer = (id: number, type: number, head: Uint8Array, body: Uint8Array): void => {
    underWayBytes -= underWay.get(id)?.bytes ?? 0;
    underWay.delete(id);
    connection.send(type, head, body);
    if (connection.queuedBytes > UNREAD_BYTES_END) {
      connection.destroy(new ProtocolError('the peer does not read its answers'));
      return;
    }
    holdUp();
    goOn();
  };
  const fail = (id: number, code: FailureCode): void => {
    answer(id, FrameType.failure, failureHead(id, code), NO_BYTES);
  };
  const onRequest = (id: number, kind: string, payload: Uint8Array): void => {
    if (underWay.has(id)) throw new ProtocolError('an id that is in use');
    if (underWay.size >= service.requestsMax) throw new ProtocolError('more requests than allowed');
    const handler = service.handlers.get(kind);
    if (handler === undefined) {
      fail(id, 'unknown-kind');
      return;
    }
    const controller = new AbortController();
    underWay.set(id, { controller, bytes: payload.length });
    underWayBytes += payload.length;
    holdUp();
    run(handler, payload, from.nodeId, controller.signal).then(
      (response) => {
        if (response.length + 4 > from.payloadBytesMax) fail(id, 'too-long');
        else answer(id, FrameType.response, idHead(id), response);
      },
      (error: unknown) => {
        const cancelled = controller.signal.aborted;
        fail(id, cancelled ? 'cancelled' : 'failed');
        if (error instanceof AssertionFailure) throw error;
        if (!cancelled && service.gate.opens(`${from.nodeId} ${kind}`))
          service.log.error('a forwarded request failed', { from: from.nodeId, kind, error });
      },
    );
  };
  connection.handOver(
    {
      onFrame(type, bytes) {
        const frame = readForwardFrame(type, bytes);
        if (frame.kind === 'request') onRequest(frame.id, frame.name, frame.payload);
        else if (frame.kind === 'cancel') underWay.get(frame.id)?.controller.abort();
        else throw new ProtocolError('answers go the other way');
      },
      onClose() {
        for (const { controller } of underWay.values()) controller.abort();
      },
      onDrained: goOn,
    },
    payloadBytesMax,
  );
}

/** A handler that throws before its first await fails like any other. */
async function run(
  handler: ForwardHandler,
  payload: Uint8Array,
  from: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return await handler(payload, from, signal);
}
