import type { NodeAddress } from '@coffer/storage';

/** More hints about one node than this are not kept. */
const HINTS_MAX = 4;
/** More nodes than a cluster has; beyond it the one that was longest known is forgotten. */
const LEARNT_MAX = 256;

/**
 * Where nodes are, beyond what the list of members says. That list changes through a leader; when all nodes come back
 * at new addresses there is none, so what a node proved by its certificate at an address counts here, too. Hints prove
 * nothing: they are tried, and a wrong one costs a handshake.
 */
export class AddressBook {
  /** By node id: where it was last reached, or said it is. */
  readonly #learnt = new Map<string, string>();
  readonly #hints = new Map<string, readonly string[]>();

  /** A node that proved who it is can be reached here. @returns whether that is news */
  learn(nodeId: string, clusterAddress: string): boolean {
    if (this.#learnt.get(nodeId) === clusterAddress) return false;
    this.#learnt.set(nodeId, clusterAddress);
    const [oldest] = this.#learnt.keys();
    if (this.#learnt.size > LEARNT_MAX && oldest !== undefined) this.#learnt.delete(oldest);
    return true;
  }

  /** Somebody says that a node is here. @returns whether that is news */
  hint(nodeId: string, clusterAddress: string): boolean {
    const known = this.#hints.get(nodeId) ?? [];
    if (this.#learnt.get(nodeId) === clusterAddress || known.includes(clusterAddress)) return false;
    this.#hints.set(nodeId, [clusterAddress, ...known].slice(0, HINTS_MAX));
    return true;
  }

  /** Where a member may be, the likeliest first. */
  routes({ nodeId, clusterAddress }: NodeAddress): readonly string[] {
    const learnt = this.#learnt.get(nodeId);
    const hints = this.#hints.get(nodeId) ?? [];
    return [...new Set([...(learnt === undefined ? [] : [learnt]), clusterAddress, ...hints])];
  }

  /** The member as it is best reached. */
  best(address: NodeAddress): NodeAddress {
    const clusterAddress = this.#learnt.get(address.nodeId) ?? address.clusterAddress;
    return { ...address, clusterAddress };
  }

  /** Forgets nodes that are no members. */
  keepOnly(isMember: (nodeId: string) => boolean): void {
    for (const map of [this.#learnt, this.#hints]) {
      for (const nodeId of map.keys()) if (!isMember(nodeId)) map.delete(nodeId);
    }
  }
}
