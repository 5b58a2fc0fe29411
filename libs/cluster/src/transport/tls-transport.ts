import { assert } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { Message, PeerId, SnapshotMeta } from 'raft-ts';
import { ForwardError } from '../cluster.ts';
import type { ClusterTls, ForwardChannel, Transport } from '../cluster.ts';
import { AddressBook } from './address-book.ts';
import type { Connection } from './connection.ts';
import type { DialMeans } from './dial.ts';
import type { Endpoint } from './endpoint.ts';
import { ForwardLink } from './forward-link.ts';
import { serveForward } from './forward-server.ts';
import type { ForwardHandler } from './forward-server.ts';
import { FrameType } from './frame.ts';
import type { Protocol } from './frame.ts';
import type { Hello, Refusal } from './hello.ts';
import { ClusterListener } from './listener.ts';
import type { Caller } from './listener.ts';
import { LogGate } from './log-gate.ts';
import { PeerTable } from './peer-table.ts';
import { ProtocolError } from './protocol-error.ts';
import { RaftLink } from './raft-link.ts';
import { SnapshotTransferError } from './snapshot-frames.ts';
import { receiveSnapshot } from './snapshot-receiver.ts';
import type { SnapshotListener } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { TlsIdentity } from './tls-identity.ts';
import { DEFAULT_LIMITS } from './transport-options.ts';
import type { TransportLimits, TransportOptions } from './transport-options.ts';

/** All that exists only while the transport is open. */
interface Open {
  readonly identity: TlsIdentity;
  readonly means: DialMeans;
  readonly listener: ClusterListener;
  readonly links: Map<PeerId, RaftLink>;
  readonly forwards: Map<string, ForwardLink>;
  readonly sending: Set<SnapshotSender>;
  /** The snapshot that arrives from a node; a later one takes its place. */
  readonly receiving: Map<string, Connection>;
}

/**
 * The cluster port and the connections to other nodes': one TLS 1.3 listener for three protocols (see `PROTOCOLS`),
 * both ends with certificates of the cluster's own authority. A node that is not (or no longer) a member gets no
 * further than its hello. What peers send is untrusted: it ends their connection at worst.
 */
export class TlsTransport implements Transport {
  readonly forward: ForwardChannel;
  readonly #options: TransportOptions;
  readonly #limits: TransportLimits;
  readonly #log: Log;
  /** What a peer can bring about at will is logged now and then. */
  readonly #gate: LogGate;
  readonly #peers = new PeerTable();
  readonly #book = new AddressBook();
  readonly #handlers = new Map<string, ForwardHandler>();
  #onMessage: ((message: Message) => void) | undefined;
  #onUnreachable: ((peer: PeerId, how: 'refused' | 'silent') => void) | undefined;
  #onRemoved: (() => void) | undefined;
  #onSnapshot: SnapshotListener | undefined;
  #open: Open | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#log = options.log;
    this.#gate = new LogGate(options.clock);
    this.forward = {
      serve: (kind, handler) => {
        assert(!this.#handlers.has(kind), 'a kind of forwarded request is served once');
        this.#handlers.set(kind, handler);
      },
      call: (to, kind, payload, signal, deadlineMs) => this.#call(to, kind, payload, signal, deadlineMs),
    };
  }

  /**
   * Listens, and dials the peers set so far.
   *
   * @throws RangeError for a node id or address that cannot be, or the system's error (`EADDRINUSE`, …)
   */
  async open(identity: {
    readonly nodeId: string;
    readonly clusterId: string;
    readonly tls: ClusterTls;
  }): Promise<void> {
    assert(this.#open === undefined, 'a transport is opened once at a time');
    assert(identity.nodeId === this.#options.self.nodeId, 'a transport is opened as the node it was made for');
    const { clock, self } = this.#options;
    const own = await TlsIdentity.create(identity, this.#options);
    const peer = (): PeerId | undefined => this.#peers.numberOf(self.nodeId);
    const means: DialMeans = { identity: own, self, peer, clock, limits: this.#limits };
    const listener = new ClusterListener(
      means,
      {
        refuses: (hello, protocol) => this.#refuses(hello, protocol),
        isMember: (nodeId) => this.#peers.isMember(nodeId),
        onCaller: (connection, caller) => this.#onCaller(connection, caller),
      },
      this.#log,
    );
    await listener.listen(this.#options.listenAddress);
    own.start(() => listener.renew());
    this.#open = {
      identity: own,
      means,
      listener,
      links: new Map(),
      forwards: new Map(),
      sending: new Set(),
      receiving: new Map(),
    };
    this.#linkPeers(this.#open);
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.identity.stop();
    for (const link of open.links.values()) link.close();
    for (const link of open.forwards.values()) link.close();
    for (const sender of open.sending) sender.abort();
    await open.listener.close();
  }

  /** Where it really listens, while open. */
  endpoint(): Endpoint | undefined {
    return this.#open?.listener.endpoint();
  }

  setPeers(peers: ReadonlyMap<PeerId, NodeAddress>, nextPeer?: PeerId): void {
    this.#peers.replace(peers, nextPeer);
    this.#book.keepOnly((nodeId) => this.#peers.isMember(nodeId));
    if (this.#open !== undefined) this.#linkPeers(this.#open);
  }

  send(messages: readonly Message[]): void {
    const open = this.#open;
    if (open === undefined) return;
    for (const message of messages) open.links.get(message.to)?.send(this.#options.codec.encode(message));
  }

  onMessage(listener: (message: Message) => void): void {
    this.#onMessage = listener;
  }

  /** Told after each failed attempt to reach a peer (so again and again while it is away), never from within a call. */
  onUnreachable(listener: (peer: PeerId, how: 'refused' | 'silent') => void): void {
    this.#onUnreachable = listener;
  }

  onRemoved(listener: () => void): void {
    this.#onRemoved = listener;
  }

  hint(nodeId: string, clusterAddress: string): void {
    if (!this.#peers.isMember(nodeId) || !this.#book.hint(nodeId, clusterAddress)) return;
    for (const link of this.#open?.links.values() ?? []) if (link.target.nodeId === nodeId) link.hurry();
  }

  async renew(tls: ClusterTls): Promise<void> {
    await this.#open?.identity.renew(tls);
  }

  /** @throws SnapshotTransferError if it did not arrive, or what `contents` throws */
  async sendSnapshot(to: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const open = this.#open;
    const target = this.#peers.addressOf(to);
    if (open === undefined) throw new SnapshotTransferError('the cluster port is closed');
    const from = this.#peers.numberOf(open.identity.nodeId);
    if (target === undefined || from === undefined) throw new SnapshotTransferError('the peer is not known');
    const begin = this.#options.codec.encode({ kind: 'snapshot', from, to, term: meta.term, snapshot: meta });
    const sender = new SnapshotSender(open.means);
    open.sending.add(sender);
    try {
      await sender.send(this.#book.best(target), begin, contents);
    } finally {
      open.sending.delete(sender);
    }
  }

  onSnapshot(listener: SnapshotListener): void {
    this.#onSnapshot = listener;
  }

  /** Links to all peers but this node; those whose address is as before keep their connection. */
  #linkPeers(open: Open): void {
    const wanted = this.#peers.peers();
    for (const [peer, link] of open.links) {
      const now = wanted.get(peer);
      if (now?.nodeId === link.target.nodeId && now.clusterAddress === link.target.clusterAddress) continue;
      link.close();
      open.links.delete(peer);
      if (now === undefined) open.listener.drop(link.target.nodeId);
    }
    for (const [nodeId, link] of open.forwards) {
      if (!this.#peers.isRemoved(nodeId)) continue;
      link.close();
      open.forwards.delete(nodeId);
    }
    for (const [peer, address] of wanted) {
      if (address.nodeId === open.identity.nodeId || open.links.has(peer)) continue;
      const link = new RaftLink(address, open.means, this.#log, {
        routes: () => this.#book.routes(address),
        onReached: (clusterAddress) => this.#book.learn(address.nodeId, clusterAddress),
        onUnreachable: (how) => this.#onUnreachable?.(peer, how),
        onRemoved: () => this.#onRemoved?.(),
      });
      open.links.set(peer, link);
    }
  }

  #refuses({ nodeId, peer }: Hello, protocol: Protocol): Refusal | undefined {
    if (this.#open === undefined) return 'closing';
    if (this.#peers.isRemoved(nodeId, peer)) return 'removed';
    // Who forwards must be known; raft's own traffic may come from a leader that this node has yet to learn of.
    return protocol === 'coffer-forward/1' && !this.#peers.isMember(nodeId) ? 'removed' : undefined;
  }

  #onCaller(connection: Connection, caller: Caller): void {
    // It proved who it is: what it says of its own address counts more than a list that it could not change yet.
    this.#book.learn(caller.node.nodeId, caller.node.clusterAddress);
    switch (caller.protocol) {
      case 'coffer-raft/1':
        this.#receiveMessages(connection, caller.node);
        return;
      case 'coffer-forward/1':
        serveForward(
          connection,
          { nodeId: caller.node.nodeId, payloadBytesMax: caller.hello.payloadBytesMax },
          { handlers: this.#handlers, ...this.#limits, log: this.#log, gate: this.#gate },
          this.#limits.requestBytesMax,
        );
        return;
      case 'coffer-snapshot/1':
        this.#receiveSnapshot(connection, caller.node);
    }
  }

  #receiveMessages(connection: Connection, node: NodeAddress): void {
    for (const link of this.#open?.links.values() ?? []) if (link.target.nodeId === node.nodeId) link.hurry();
    connection.handOver(
      {
        onFrame: (type, payload) => {
          if (type !== FrameType.message) throw new ProtocolError('a frame of another protocol');
          const message = this.#decode(payload, node);
          if (message.kind === 'snapshot') throw new ProtocolError('a snapshot without its contents');
          const own = this.#peers.numberOf(this.#options.self.nodeId);
          // Meant for this node under a number that it no longer has.
          if (own !== undefined && message.to !== own) return;
          this.#onMessage?.(message);
        },
        onClose: (reason) => {
          if (reason === undefined) return;
          const fields = { nodeId: node.nodeId, reason: reason.message };
          if (reason instanceof ProtocolError && this.#gate.opens(`ended ${node.nodeId}`))
            this.#log.warn('ended the connection of a peer', fields);
          else this.#log.debug('lost the connection of a peer', fields);
        },
      },
      this.#limits.messageBytesMax,
    );
  }

  #receiveSnapshot(connection: Connection, node: NodeAddress): void {
    const listener = this.#onSnapshot;
    const open = this.#open;
    if (listener === undefined || open === undefined) {
      connection.destroy();
      return;
    }
    open.receiving.get(node.nodeId)?.destroy();
    open.receiving.set(node.nodeId, connection);
    receiveSnapshot(connection, node.nodeId, {
      decode: (payload) => this.#decode(payload, node),
      listener,
      clock: this.#options.clock,
      log: this.#log,
      gate: this.#gate,
      onClose: () => {
        if (open.receiving.get(node.nodeId) === connection) open.receiving.delete(node.nodeId);
      },
    });
  }

  /** A message that this node may send to us. @throws ProtocolError */
  #decode(payload: Uint8Array, node: NodeAddress): Message {
    let message: Message;
    try {
      message = this.#options.codec.decode(payload);
    } catch (cause) {
      throw new ProtocolError('a malformed message', { cause });
    }
    const before = this.#peers.addressOf(message.from);
    if (!this.#peers.speaksFor(node, message.from)) throw new ProtocolError('a message in another peer’s name');
    if (before === undefined && this.#open !== undefined) this.#linkPeers(this.#open);
    return message;
  }

  #call(
    to: NodeAddress,
    kind: string,
    payload: Uint8Array,
    signal: AbortSignal,
    deadlineMs: number | undefined,
  ): Promise<Uint8Array> {
    const open = this.#open;
    if (open === undefined) return Promise.reject(new ForwardError('unreachable', 'the cluster port is closed'));
    const target = this.#book.best(to);
    let link = open.forwards.get(to.nodeId);
    if (link?.target.clusterAddress !== target.clusterAddress) {
      link?.close();
      link = new ForwardLink(target, open.means);
      open.forwards.set(to.nodeId, link);
    }
    return link.call(kind, payload, signal, deadlineMs);
  }
}
