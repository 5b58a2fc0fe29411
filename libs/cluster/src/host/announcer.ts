import type { Clock } from '@coffer/kernel';
import { StorageError, type NodeAddress } from '@coffer/storage';
import type { PeerId } from 'raft-ts';
import type { ForwardChannel } from '../cluster.ts';
import type { Member, Members } from '../disk/members.ts';

const ANNOUNCE = 'cluster/announce';
/** How often a moved node announces itself. */
const ANNOUNCE_EVERY_MS = 500;
const ANSWER_MS_MAX = 10_000;

export interface AnnouncerHost {
  readonly self: NodeAddress;
  selfPeer(): PeerId;
  members(): Members;
  active(): boolean;
  leaderAddress(): NodeAddress | undefined;
  announce(peer: PeerId, address: NodeAddress): Promise<void>;
}

/** Tells the cluster where this node is now, if it has moved, and takes such news from others. */
export class Announcer {
  readonly #host: AnnouncerHost;
  readonly #forward: ForwardChannel;
  readonly #clock: Clock;
  #announcedAtMs = -Infinity;

  constructor(host: AnnouncerHost, forward: ForwardChannel, clock: Clock) {
    this.#host = host;
    this.#forward = forward;
    this.#clock = clock;
    forward.serve(ANNOUNCE, (payload, from) => this.#announced(payload, from));
  }

  /** An announcement under way, if one is due. */
  due(): Promise<void> | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#announcedAtMs < ANNOUNCE_EVERY_MS) return undefined;
    this.#announcedAtMs = nowMs;
    const peer = this.#host.selfPeer();
    const known = this.#host.members().list.find((member) => member.peer === peer);
    const { self } = this.#host;
    if (known === undefined || sameAddress(known, self)) return undefined;
    if (this.#host.active()) return this.#host.announce(peer, self);
    const leader = this.#host.leaderAddress();
    if (leader === undefined) return undefined;
    const controller = new AbortController();
    const cancel = this.#clock.after(ANSWER_MS_MAX, () => controller.abort(new StorageError('deadline', 'no answer')));
    const payload = Buffer.from(JSON.stringify(self));
    return this.#forward.call(leader, ANNOUNCE, payload, controller.signal).then(cancel, (error: unknown) => {
      cancel();
      throw error;
    });
  }

  async #announced(payload: Uint8Array, from: string): Promise<Uint8Array> {
    if (!this.#host.active()) throw new StorageError('not-active', 'only the active node changes the members');
    const address = readAddress(payload);
    // The sender is known by its certificate: nobody announces for another.
    if (address.nodeId !== from) throw new StorageError('conflict', 'a node can announce only itself');
    const known = this.#host.members().list.find((member) => member.nodeId === from);
    if (known === undefined) throw new StorageError('conflict', 'the node is no member');
    await this.#host.announce(known.peer, address);
    return new Uint8Array(0);
  }
}

function sameAddress(known: Member, self: NodeAddress): boolean {
  return known.apiAddress === self.apiAddress && known.clusterAddress === self.clusterAddress;
}

function readAddress(payload: Uint8Array): NodeAddress {
  const raw = JSON.parse(Buffer.from(payload).toString('utf8')) as Partial<NodeAddress>;
  const { nodeId, apiAddress, clusterAddress } = raw;
  if (typeof nodeId !== 'string' || typeof apiAddress !== 'string' || typeof clusterAddress !== 'string') {
    throw new StorageError('conflict', 'not an address of a node');
  }
  return { nodeId, apiAddress, clusterAddress };
}
