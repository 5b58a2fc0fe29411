import type { NodeAddress } from '@coffer/storage';
import type { Message, PeerId, SnapshotMeta } from 'raft-ts';
import { ForwardError, type ForwardChannel, type Transport } from '../cluster.ts';

type Handler = (payload: Uint8Array, from: string, signal: AbortSignal) => Promise<Uint8Array>;

/** A network within a process whose lines can be cut. */
export class FakeNetwork {
  readonly #transports = new Map<string, FakeTransport>();
  readonly #cut = new Set<string>();
  /** What each message passes before it is delivered: tests lose some. */
  lose: (message: Message) => boolean = () => false;

  transport(nodeId: string): FakeTransport {
    const transport = new FakeTransport(nodeId, this);
    this.#transports.set(nodeId, transport);
    return transport;
  }

  /** Cuts all lines of a node. */
  isolate(nodeId: string): void {
    this.#cut.add(nodeId);
  }

  heal(): void {
    this.#cut.clear();
  }

  find(nodeId: string): FakeTransport | undefined {
    return this.#transports.get(nodeId);
  }

  reaches(from: string, to: string): boolean {
    return !this.#cut.has(from) && !this.#cut.has(to);
  }
}

/** One node's end of a `FakeNetwork`. */
export class FakeTransport implements Transport {
  readonly nodeId: string;
  readonly #network: FakeNetwork;
  readonly #handlers = new Map<string, Handler>();
  #open = false;
  /** Resolves when it is closed. */
  #closing = Promise.withResolvers<void>();
  #peers: ReadonlyMap<PeerId, NodeAddress> = new Map();
  #onMessage: (message: Message) => void = () => undefined;
  #onUnreachable: (peer: PeerId, how: 'refused' | 'silent') => void = () => undefined;
  #onSnapshot: (from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>) => Promise<void> = () =>
    Promise.reject(new Error('nobody listens'));
  /** Called between the pieces of each snapshot that is sent. */
  betweenPieces: () => Promise<void> = () => Promise.resolve();

  constructor(nodeId: string, network: FakeNetwork) {
    this.nodeId = nodeId;
    this.#network = network;
  }

  readonly forward: ForwardChannel = {
    serve: (kind, handler) => void this.#handlers.set(kind, handler),
    call: async (to, kind, payload, signal) => {
      const target = this.#network.find(to.nodeId);
      const handler = target?.listening === true ? target.#handlers.get(kind) : undefined;
      if (handler === undefined || !this.#network.reaches(this.nodeId, to.nodeId)) {
        throw new ForwardError('unreachable', 'nobody answers');
      }
      return handler(payload, this.nodeId, signal);
    },
  };

  get listening(): boolean {
    return this.#open;
  }

  get peers(): ReadonlyMap<PeerId, NodeAddress> {
    return this.#peers;
  }

  open(): Promise<void> {
    this.#open = true;
    this.#closing = Promise.withResolvers();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closing.resolve();
    return Promise.resolve();
  }

  setPeers(peers: ReadonlyMap<PeerId, NodeAddress>): void {
    this.#peers = peers;
  }

  readonly hints: string[] = [];

  hint(nodeId: string, clusterAddress: string): void {
    this.hints.push(`${nodeId} ${clusterAddress}`);
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  /** As a member's refusal. */
  tellRemoved: () => void = () => undefined;

  onRemoved(listener: () => void): void {
    this.tellRemoved = listener;
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      const copy = structuredClone(message);
      setImmediate(() => this.#deliver(copy));
    }
  }

  onMessage(listener: (message: Message) => void): void {
    this.#onMessage = listener;
  }

  onUnreachable(listener: (peer: PeerId, how: 'refused' | 'silent') => void): void {
    this.#onUnreachable = listener;
  }

  async sendSnapshot(to: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const target = this.#target(to);
    if (target === undefined || !target.listening) throw new Error('the peer is not there');
    await target.#onSnapshot(this.#self(target), meta, this.#pieces(target, contents));
  }

  onSnapshot(listener: (from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>) => Promise<void>): void {
    this.#onSnapshot = listener;
  }

  async *#pieces(target: FakeTransport, contents: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of contents) {
      await Promise.race([this.betweenPieces(), this.#closing.promise, target.#closing.promise]);
      if (!this.#open || !target.#open) throw new Error('one end was closed');
      if (!this.#network.reaches(this.nodeId, target.nodeId)) throw new Error('the line was cut');
      yield structuredClone(piece);
    }
  }

  #deliver(message: Message): void {
    if (!this.#open || this.#network.lose(message)) return;
    const target = this.#target(message.to);
    if (target === undefined) return;
    if (!this.#network.reaches(this.nodeId, target.nodeId)) this.#onUnreachable(message.to, 'silent');
    else if (!target.listening) this.#onUnreachable(message.to, 'refused');
    else target.#onMessage(message);
  }

  #target(peer: PeerId): FakeTransport | undefined {
    const address = this.#peers.get(peer);
    return address === undefined ? undefined : this.#network.find(address.nodeId);
  }

  /** This node's number as the other knows it. */
  #self(target: FakeTransport): PeerId {
    for (const [peer, { nodeId }] of target.#peers) if (nodeId === this.nodeId) return peer;
    throw new Error('the peer does not know this node');
  }
}
