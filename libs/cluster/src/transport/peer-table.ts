import type { NodeAddress } from '@coffer/storage';
import type { PeerId } from 'raft-ts';

/** A cluster has a handful of members; more unlisted ones than this are a fault. */
const STRANGERS_MAX = 64;

/**
 * Who the members are, as far as this node knows. A member that is behind may not yet know of the leader that would
 * tell it, so a node of the same authority and cluster may connect though it is not listed; one that was removed may not.
 */
export class PeerTable {
  #byNumber: ReadonlyMap<PeerId, NodeAddress> = new Map();
  /** Numbers below were given away. They are never used again: those that are not listed belong to removed nodes. */
  #nextPeer: PeerId = 0;
  readonly #gone = new Set<PeerId>();
  readonly #numbers = new Map<string, PeerId>();
  readonly #removed = new Set<string>();
  /** Unlisted nodes that spoke to us, so that they can be answered. */
  readonly #strangers = new Map<PeerId, NodeAddress>();

  /** Replaces the members. Whoever is no longer listed is removed until listed again. */
  replace(peers: ReadonlyMap<PeerId, NodeAddress>, nextPeer: PeerId = 0): void {
    this.#nextPeer = Math.max(this.#nextPeer, nextPeer);
    const before = [...this.#numbers.keys()];
    for (const peer of this.#byNumber.keys()) if (!peers.has(peer)) this.#gone.add(peer);
    this.#numbers.clear();
    for (const [peer, { nodeId }] of peers) this.#numbers.set(nodeId, Math.max(peer, this.#numbers.get(nodeId) ?? 0));
    this.#byNumber = new Map(peers);
    for (const nodeId of before) if (!this.#numbers.has(nodeId)) this.#removed.add(nodeId);
    for (const nodeId of this.#numbers.keys()) this.#removed.delete(nodeId);
    for (const [peer, { nodeId }] of this.#strangers) {
      const listed = this.#numbers.get(nodeId) ?? 0;
      if (listed >= peer || this.#byNumber.has(peer) || this.#removed.has(nodeId)) this.#strangers.delete(peer);
    }
  }

  isMember(nodeId: string): boolean {
    return this.#numbers.has(nodeId);
  }

  /** @param peer the number under which the node speaks, where it said so: that decides, since its name may come again */
  isRemoved(nodeId: string, peer?: PeerId): boolean {
    if (peer === undefined) return this.#removed.has(nodeId);
    return !this.#byNumber.has(peer) && (peer < this.#nextPeer || this.#gone.has(peer));
  }

  /** The number of a member. */
  numberOf(nodeId: string): PeerId | undefined {
    return this.#numbers.get(nodeId);
  }

  addressOf(peer: PeerId): NodeAddress | undefined {
    return this.#byNumber.get(peer) ?? this.#strangers.get(peer);
  }

  /** Everyone that there may be a link to. */
  peers(): ReadonlyMap<PeerId, NodeAddress> {
    return new Map([...this.#strangers, ...this.#byNumber]);
  }

  /**
   * Whether a node may speak as this peer. An unlisted number is believed once and kept: the node's certificate says
   * that it belongs to the cluster, and numbers are never used again. Its node may be listed under an older number, if
   * it lost its disk and joined anew.
   */
  speaksFor(node: NodeAddress, peer: PeerId): boolean {
    if (this.isRemoved(node.nodeId, peer)) return false;
    const listed = this.#byNumber.get(peer);
    if (listed !== undefined) return listed.nodeId === node.nodeId;
    if ((this.#numbers.get(node.nodeId) ?? 0) > peer) return false;
    const known = this.#strangers.get(peer);
    if (known !== undefined) return known.nodeId === node.nodeId;
    if (this.#strangers.size >= STRANGERS_MAX) return false;
    for (const [number, { nodeId }] of this.#strangers) {
      if (nodeId === node.nodeId && number !== peer) this.#strangers.delete(number);
    }
    this.#strangers.set(peer, node);
    return true;
  }
}
