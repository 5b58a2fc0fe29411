import type { CancelTimer, Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { Connection } from './connection.ts';
import { dial } from './dial.ts';
import type { DialError, DialMeans } from './dial.ts';
import { FrameType } from './frame.ts';
import { HELLO_BYTES_MAX } from './hello.ts';
import { LogGate } from './log-gate.ts';
import { ProtocolError } from './protocol-error.ts';
import { NO_BYTES } from './send-queue.ts';

/** A reset so soon after a connection was lost is its process dying, like a refusal. */
const DYING_MS = 1000;
/** Messages that wait for the first connection; raft repeats what matters. */
const BEFORE_CONNECTED_MAX = 256;

export interface RaftLinkEvents {
  /** Cluster addresses at which the peer may be, the likeliest first. */
  routes(): readonly string[];
  /** It is at this address: it proved who it is. */
  onReached(clusterAddress: string): void;
  onUnreachable(how: 'refused' | 'silent'): void;
  /** The peer, a member, says that this node is no member any more. */
  onRemoved(): void;
}

/**
 * Raft messages to one peer, over a connection that is dialled again whenever it is lost. At once the first time, so
 * that a process that died is noticed within milliseconds: its port refuses.
 */
export class RaftLink {
  readonly target: NodeAddress;
  readonly #means: DialMeans;
  readonly #log: Log;
  readonly #events: RaftLinkEvents;
  #attempts = 0;
  #connection: Connection | undefined;
  #waiting: Uint8Array[] = [];
  #cancelDial: (() => void) | undefined;
  #cancelRetry: CancelTimer | undefined;
  #backoffMs: number;
  #lostAtMs = -Infinity;
  #overflowing = false;
  readonly #gate: LogGate;
  /** The last failure that was logged: each kind once for an outage. */
  #complaint = '';
  #closed = false;

  constructor(target: NodeAddress, means: DialMeans, log: Log, events: RaftLinkEvents) {
    this.target = target;
    this.#means = means;
    this.#log = log;
    this.#gate = new LogGate(means.clock);
    this.#events = events;
    this.#backoffMs = means.limits.backoffMs;
    this.#dial();
  }

  /** Queues an encoded message. Without a connection it is kept only until the attempt under way ends. */
  send(message: Uint8Array): void {
    const connection = this.#connection;
    if (connection === undefined) {
      if (this.#cancelDial !== undefined && this.#waiting.length < BEFORE_CONNECTED_MAX) this.#waiting.push(message);
      return;
    }
    connection.send(FrameType.message, message, NO_BYTES);
    if (connection.queuedBytes <= this.#means.limits.queueBytesMax) return;
    connection.dropOldest(this.#means.limits.queueBytesMax);
    if (this.#overflowing) return;
    this.#overflowing = true;
    if (this.#gate.opens('slow')) {
      this.#log.warn('a peer reads too slowly: raft messages to it are dropped', { nodeId: this.target.nodeId });
    }
    this.#events.onUnreachable('silent');
  }

  /** Dials now if it is waiting to: the peer was just heard of. */
  hurry(): void {
    if (this.#cancelRetry === undefined) return;
    this.#cancelRetry();
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    this.#cancelDial?.();
    this.#cancelRetry?.();
    this.#connection?.destroy();
    this.#waiting = [];
  }

  #dial(): void {
    this.#cancelRetry = undefined;
    // One after the other, where the peer may be at several places.
    const routes = this.#events.routes();
    const clusterAddress = routes[this.#attempts++ % routes.length] ?? this.target.clusterAddress;
    this.#cancelDial = dial({ ...this.target, clusterAddress }, 'coffer-raft/1', this.#means, {
      onReady: (connection) => {
        this.#attempts = 0;
        this.#events.onReached(clusterAddress);
        this.#onReady(connection);
      },
      onFailed: (error) => this.#onFailed(error, clusterAddress),
    });
  }

  #onReady(connection: Connection): void {
    this.#cancelDial = undefined;
    this.#connection = connection;
    this.#backoffMs = this.#means.limits.backoffMs;
    this.#complaint = '';
    this.#overflowing = false;
    connection.handOver(
      {
        onFrame: () => {
          throw new ProtocolError('raft messages go the other way');
        },
        onClose: (reason) => this.#onLost(reason),
        onDrained: () => {
          if (connection.queuedBytes === 0) this.#overflowing = false;
        },
      },
      HELLO_BYTES_MAX,
    );
    this.#log.debug('connected to a peer', { nodeId: this.target.nodeId });
    for (const message of this.#waiting) connection.send(FrameType.message, message, NO_BYTES);
    this.#waiting = [];
  }

  #onLost(reason: Error | undefined): void {
    this.#connection = undefined;
    this.#lostAtMs = this.#means.clock.monotonicMs();
    if (this.#closed) return;
    const why = reason?.message ?? 'closed over there';
    this.#log.debug('lost the connection to a peer', { nodeId: this.target.nodeId, reason: why });
    if (reason instanceof ProtocolError) this.#events.onUnreachable('silent');
    if (!this.#closed) this.#dial();
  }

  #onFailed(error: DialError, address: string): void {
    this.#cancelDial = undefined;
    this.#waiting = [];
    if (this.#complaint !== error.message) {
      this.#complaint = error.message;
      const fields = { nodeId: this.target.nodeId, address, reason: error.message };
      if (error.failure === 'identity') this.#log.warn('a peer is not who it should be, or refuses this node', fields);
      else this.#log.info('cannot reach a peer', fields);
    }
    const dying = error.failure === 'reset' && this.#means.clock.monotonicMs() - this.#lostAtMs < DYING_MS;
    this.#cancelRetry = this.#means.clock.after(this.#backoffMs, () => this.#dial());
    this.#backoffMs = Math.min(this.#backoffMs * 2, this.#means.limits.backoffMaxMs);
    if (error.refusal === 'removed') this.#events.onRemoved();
    this.#events.onUnreachable(error.failure === 'refused' || dying ? 'refused' : 'silent');
  }
}
