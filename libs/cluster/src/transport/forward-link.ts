import { assert } from '@coffer/kernel';
import type { CancelTimer } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import { ForwardError } from '../cluster.ts';
import type { Connection } from './connection.ts';
import { dial } from './dial.ts';
import type { DialMeans } from './dial.ts';
import { idHead, readForwardFrame, REQUEST_ID_MAX, requestHead } from './forward-frames.ts';
import type { FailureCode } from './forward-frames.ts';
import { FrameType } from './frame.ts';
import type { Hello } from './hello.ts';
import { ProtocolError } from './protocol-error.ts';
import type { QueuedFrame } from './send-queue.ts';

const HEAD_BYTES_MAX = 128;
/** How often deadlines are looked at, in milliseconds. */
const DEADLINES_MS = 500;

interface Call {
  readonly id: number;
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  /** By the monotonic clock. */
  readonly deadlineMs: number;
  /** The caller has its answer; the other end still owes one. */
  settled: boolean;
}

/**
 * Requests to one node over one connection, dialled when it is first needed and then kept. Calls wait here, in order,
 * for the connection and for their turn within what the other end serves at a time.
 */
export class ForwardLink {
  readonly target: NodeAddress;
  readonly #means: DialMeans;
  /** In the order of arrival. */
  readonly #waiting = new Map<number, Call>();
  readonly #sent = new Map<number, Call>();
  #sentBytes = 0;
  #waitingBytes = 0;
  readonly #stopExpiring: CancelTimer;
  #nextId = 1;
  #connection: Connection | undefined;
  #requestsMax = 0;
  #payloadBytesMax = 0;
  #cancelDial: (() => void) | undefined;
  /** After a failed attempt calls fail at once until then, instead of a handshake each. */
  #notBeforeMs = -Infinity;
  #lastFailure = '';
  #closed = false;

  constructor(target: NodeAddress, means: DialMeans) {
    this.target = target;
    this.#means = means;
    this.#stopExpiring = means.clock.every(DEADLINES_MS, () => this.#expire());
  }

  /** @throws ForwardError, or the signal's reason */
  call(kind: string, payload: Uint8Array, signal: AbortSignal, deadlineMs = Infinity): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const refusal = this.#refusal(payload);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const id = this.#takeId();
      const call: Call = {
        id,
        kind,
        payload,
        resolve,
        reject,
        signal,
        onAbort: () => this.#abort(call, call.signal.reason),
        deadlineMs,
        settled: false,
      };
      signal.addEventListener('abort', call.onAbort, { once: true });
      this.#wait(call);
      this.#pump();
    });
  }

  /** Fails everything: what was sent may have taken effect. */
  close(): void {
    this.#closed = true;
    this.#stopExpiring();
    this.#cancelDial?.();
    this.#cancelDial = undefined;
    this.#connection?.destroy();
    this.#failWaiting('the cluster port is closed');
  }

  #refusal(payload: Uint8Array): ForwardError | undefined {
    const { limits, clock } = this.#means;
    const long = this.#waiting.size > 0 && this.#waitingBytes + payload.length > limits.waitingBytesMax;
    if (this.#closed) return new ForwardError('unreachable', 'the cluster port is closed');
    if (payload.length + HEAD_BYTES_MAX > limits.requestBytesMax)
      return new ForwardError('too-long', 'the request is too long');
    if (this.#waiting.size >= limits.waitingMax || long)
      return new ForwardError('busy', 'too many requests wait for the node');
    if (this.#connection === undefined && clock.monotonicMs() < this.#notBeforeMs)
      return new ForwardError('unreachable', this.#lastFailure);
    return undefined;
  }

  #wait(call: Call): void {
    this.#waiting.set(call.id, call);
    this.#waitingBytes += call.payload.length;
  }

  #unwait(call: Call): void {
    if (this.#waiting.delete(call.id)) this.#waitingBytes -= call.payload.length;
  }

  #takeId(): number {
    do {
      this.#nextId = this.#nextId >= REQUEST_ID_MAX ? 1 : this.#nextId + 1;
    } while (this.#sent.has(this.#nextId) || this.#waiting.has(this.#nextId));
    return this.#nextId;
  }

  #pump(): void {
    const connection = this.#connection;
    if (connection === undefined) {
      if (this.#waiting.size > 0 && !this.#closed) this.#cancelDial ??= this.#dial();
      return;
    }
    for (const call of this.#waiting.values()) {
      if (this.#sent.size >= this.#requestsMax) return;
      const { inFlightBytesMax } = this.#means.limits;
      if (this.#sent.size > 0 && this.#sentBytes + call.payload.length > inFlightBytesMax) return;
      this.#unwait(call);
      if (call.payload.length + HEAD_BYTES_MAX > this.#payloadBytesMax) {
        this.#settle(call)?.reject(new ForwardError('too-long', 'the request is too long for the other node'));
        continue;
      }
      this.#sent.set(call.id, call);
      this.#sentBytes += call.payload.length;
      connection.send(FrameType.request, requestHead(call.id, call.kind), call.payload);
    }
  }

  #dial(): () => void {
    return dial(this.target, 'coffer-forward/1', this.#means, {
      onReady: (connection, hello) => this.#onReady(connection, hello),
      onFailed: (error) => {
        this.#cancelDial = undefined;
        this.#notBeforeMs = this.#means.clock.monotonicMs() + this.#means.limits.backoffMs;
        this.#lastFailure = `cannot reach the node: ${error.message}`;
        this.#failWaiting(this.#lastFailure);
      },
    });
  }

  #onReady(connection: Connection, hello: Hello): void {
    this.#cancelDial = undefined;
    this.#connection = connection;
    this.#requestsMax = hello.requestsMax;
    this.#payloadBytesMax = hello.payloadBytesMax;
    connection.handOver(
      {
        onFrame: (type, bytes) => this.#onFrame(type, bytes),
        onClose: (_reason, unsent) => this.#onLost(unsent),
      },
      this.#means.limits.requestBytesMax,
    );
    this.#pump();
  }

  #onFrame(type: number, bytes: Uint8Array): void {
    const frame = readForwardFrame(type, bytes);
    if (frame.kind === 'request' || frame.kind === 'cancel') throw new ProtocolError('requests go the other way');
    const call = this.#sent.get(frame.id);
    if (call === undefined) throw new ProtocolError('an answer that nobody waits for');
    this.#sent.delete(frame.id);
    this.#sentBytes -= call.payload.length;
    if (this.#settle(call) !== undefined) {
      if (frame.kind === 'response') call.resolve(frame.payload);
      else call.reject(failure(frame.code));
    }
    if (this.#waiting.size > 0) this.#pump();
  }

  /** What never left this process waits for the next connection; the rest may have taken effect. */
  #onLost(unsent: readonly QueuedFrame[]): void {
    this.#connection = undefined;
    const again: Call[] = [];
    for (const { type, head } of unsent) {
      if (type !== FrameType.request) continue;
      const id = Buffer.from(head.buffer, head.byteOffset, head.byteLength).readUInt32BE(0);
      const call = this.#sent.get(id);
      assert(call !== undefined, 'a request that was not sent is known');
      this.#sent.delete(id);
      if (!call.settled) again.push(call);
    }
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    this.#sentBytes = 0;
    for (const call of [...again, ...this.#takeWaiting()]) this.#wait(call);
    for (const call of sent) {
      this.#settle(call)?.reject(new ForwardError('interrupted', 'the connection was lost before the answer'));
    }
    if (this.#closed) this.#failWaiting('the cluster port is closed');
    else this.#pump();
  }

  #abort(call: Call, reason: unknown): void {
    const wasSent = this.#sent.has(call.id);
    this.#unwait(call);
    if (this.#settle(call) === undefined) return;
    if (wasSent) this.#connection?.send(FrameType.cancel, idHead(call.id));
    call.reject(reason);
  }

  /** The other node may be up and hang. What it answers later is dropped. */
  #expire(): void {
    if (this.#sent.size === 0 && this.#waiting.size === 0) return;
    const nowMs = this.#means.clock.monotonicMs();
    for (const call of this.#waiting.values())
      if (call.deadlineMs <= nowMs) this.#abort(call, new ForwardError('unreachable', 'not sent within its deadline'));
    for (const call of this.#sent.values())
      if (call.deadlineMs <= nowMs) this.#abort(call, new ForwardError('interrupted', 'no answer within its deadline'));
  }

  #failWaiting(message: string): void {
    for (const call of this.#takeWaiting()) this.#settle(call)?.reject(new ForwardError('unreachable', message));
  }

  #takeWaiting(): readonly Call[] {
    const calls = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#waitingBytes = 0;
    return calls;
  }

  /** The call, unless its caller has an answer already. */
  #settle(call: Call): Call | undefined {
    if (call.settled) return undefined;
    call.settled = true;
    call.signal.removeEventListener('abort', call.onAbort);
    return call;
  }
}

function failure(code: FailureCode): ForwardError {
  switch (code) {
    case 'unknown-kind':
      return new ForwardError('unreachable', 'the other node does not serve such requests');
    case 'failed':
      return new ForwardError('interrupted', 'the request failed on the other node');
    case 'cancelled':
      return new ForwardError('interrupted', 'the request was cancelled on the other node');
    case 'too-long':
      return new ForwardError('interrupted', 'the answer of the other node is too long');
  }
}
