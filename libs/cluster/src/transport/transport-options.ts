import type { Clock, Log, Random } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { Message } from 'raft-ts';

/** Raft messages as bytes; `encodeMessage` and `decodeMessage` of raft-ts. */
export interface MessageCodec {
  readonly encode: (message: Message) => Uint8Array;
  /** @throws if the bytes are no message */
  readonly decode: (bytes: Uint8Array) => Message;
}

/** Bounds and times of the cluster port. Bytes are of payloads, times are milliseconds. */
export interface TransportLimits {
  /** The longest raft message accepted. */
  readonly messageBytesMax: number;
  /** Raft messages that wait for a peer that reads slowly; the oldest are dropped beyond it. */
  readonly queueBytesMax: number;
  /** The longest forwarded request or response. */
  readonly requestBytesMax: number;
  /** Forwarded requests of one node that are served at a time; its others wait over there. */
  readonly requestsMax: number;
  /** Forwarded requests that wait for their turn or for a connection, for each target. */
  readonly waitingMax: number;
  /** How long those are together; a single longer one waits alone. */
  readonly waitingBytesMax: number;
  /** Forwarded requests on the way to one target, together; a single longer one goes alone. */
  readonly inFlightBytesMax: number;
  readonly connectTimeoutMs: number;
  /** How often an end shows that it lives. */
  readonly pingMs: number;
  /** After so many `pingMs` without a byte a connection is given up. */
  readonly silentPingsMax: number;
  /** Wait after the first failed attempt to reach a peer; doubles up to the second. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** Connections to the cluster port at a time. */
  readonly connectionsMax: number;
  /** Of them, those that have not proved yet to be a node's. */
  readonly unknownMax: number;
}

export const DEFAULT_LIMITS: TransportLimits = {
  messageBytesMax: 64 * 1024 * 1024,
  queueBytesMax: 16 * 1024 * 1024,
  requestBytesMax: 64 * 1024 * 1024,
  requestsMax: 256,
  waitingMax: 4096,
  waitingBytesMax: 64 * 1024 * 1024,
  inFlightBytesMax: 64 * 1024 * 1024,
  connectTimeoutMs: 2000,
  pingMs: 1000,
  silentPingsMax: 5,
  backoffMs: 20,
  backoffMaxMs: 500,
  connectionsMax: 1024,
  unknownMax: 256,
};

/** What a transport is made of. */
export interface TransportOptions {
  /** This node; its `nodeId` must be that of the identity it is opened with. */
  readonly self: NodeAddress;
  /** Where the cluster port listens, `host:port`; port 0 takes a free one. */
  readonly listenAddress: string;
  readonly codec: MessageCodec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<TransportLimits>;
  /** How long this node's certificates are good for, in milliseconds; 48 hours where it is not given, and at most. */
  readonly leafLifeMs?: number;
}
