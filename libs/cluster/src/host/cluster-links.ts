import type { NodeAddress } from '@coffer/storage';
import type { Message, PeerId } from 'raft-ts';
import type { ClusterTls, NumberedPeer, Transport } from '../cluster.ts';
import type { DiskIdentity } from '../disk/identity.ts';
import type { Members } from '../disk/members.ts';

/** Keeps the transport open while the node takes part, and tells it where the members live. */
export class ClusterLinks {
  readonly #transport: Transport;
  readonly #self: NodeAddress;
  #open = false;
  /** Where the members live before the list has arrived. */
  #firstPeers: readonly NumberedPeer[] = [];

  constructor(transport: Transport, self: NodeAddress) {
    this.#transport = transport;
    this.#self = self;
  }

  /** The members as a leader told them with its grant. */
  introduce(peers: readonly NumberedPeer[]): void {
    this.#firstPeers = peers;
  }

  async open(identity: DiskIdentity, members: Members, tls: ClusterTls): Promise<void> {
    if (this.#open) return;
    this.tell(identity.peer, members);
    await this.#transport.open({ nodeId: this.#self.nodeId, clusterId: identity.clusterId, tls });
    this.#open = true;
  }

  async close(): Promise<void> {
    if (this.#open) await this.#transport.close();
    this.#open = false;
  }

  send(messages: readonly Message[]): void {
    if (this.#open && messages.length > 0) this.#transport.send(messages);
  }

  /** The members have changed. */
  tell(self: PeerId, { list, nextPeer }: Members): void {
    const addresses = new Map<PeerId, NodeAddress>();
    const known = list.length > 0 ? list : this.#firstPeers.map((peer) => ({ ...peer, peer: peer.peerId }));
    for (const { peer, nodeId, apiAddress, clusterAddress } of known) {
      addresses.set(peer, { nodeId, apiAddress, clusterAddress });
    }
    // The transport wants to know its own number, too: it says who a snapshot is from.
    if (self !== 0) addresses.set(self, this.#self);
    this.#transport.setPeers(addresses, nextPeer);
  }
}
