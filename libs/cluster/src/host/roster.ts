import { Turns, type Clock, type Log } from '@coffer/kernel';
import { StorageError, type NodeAddress } from '@coffer/storage';
import type { MembershipStep, PeerId, RaftStatus } from 'raft-ts';
import type { ForwardChannel, NumberedPeer, PeerInfo } from '../cluster.ts';
import { encodeMemberContext, type Member, type Members } from '../disk/members.ts';

/** A learner that is at most so many entries behind becomes a voter. */
const CAUGHT_UP_ENTRIES = 256;
/** How often a moved node announces itself, and what failed is tried again. */
const TEND_MS = 500;
/** A change of members waits so long for a former one to end, in milliseconds. */
const CHANGE_MS_MAX = 10_000;
const RETRY_MS = 50;

const ANNOUNCE = 'cluster/announce';

export interface RosterHost {
  readonly self: NodeAddress;
  selfPeer(): PeerId;
  members(): Members;
  raftStatus(): RaftStatus | undefined;
  active(): boolean;
  leaderAddress(): NodeAddress | undefined;
  /**
   * Proposes and waits until it took effect.
   *
   * @returns false where another change is under way
   * @throws StorageError as `Backend.write`
   */
  change(steps: readonly MembershipStep[], context: Uint8Array): Promise<boolean>;
  announce(peer: PeerId, address: NodeAddress): Promise<void>;
}

/** The members of the cluster: joins, removals, promotion of learners, changes of address. */
export class Roster {
  readonly #host: RosterHost;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #forward: ForwardChannel;
  #announcedAtMs = 0;
  #restUntilMs = 0;
  #tending = false;
  readonly #admissions = new Turns();

  constructor(host: RosterHost, forward: ForwardChannel, clock: Clock, log: Log) {
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#forward = forward;
    forward.serve(ANNOUNCE, (payload, from) => this.#announced(payload, from));
  }

  /** One after the other: the next free number is known when the one before took effect. */
  admit(peer: NodeAddress, nonVoter: boolean): Promise<{ peerId: number; peers: readonly NumberedPeer[] }> {
    return this.#admissions.take(() => this.#admit(peer, nonVoter));
  }

  async #admit(peer: NodeAddress, nonVoter: boolean): Promise<{ peerId: number; peers: readonly NumberedPeer[] }> {
    this.#mustBeActive();
    const known = this.#host.members().list.find((member) => member.nodeId === peer.nodeId);
    if (known !== undefined) {
      if (this.#alive(known.peer)) {
        throw new StorageError('conflict', `a living member is named ${peer.nodeId} already`);
      }
      // It lost its disk, and with it what it had promised: under its old number it could break its word.
      await this.#change([{ kind: 'remove', peer: known.peer }], undefined);
    }
    const { nodeId, apiAddress, clusterAddress } = peer;
    const number = this.#host.members().nextPeer;
    const member: Member = { peer: number, nodeId, apiAddress, clusterAddress, promote: !nonVoter };
    await this.#change([{ kind: 'add-learner', peer: number }], member);
    this.#log.info('a node joined', { nodeId, peer: number, nonVoter });
    return { peerId: number, peers: this.#numbered() };
  }

  async remove(nodeId: string): Promise<void> {
    this.#mustBeActive();
    const known = this.#host.members().list.find((member) => member.nodeId === nodeId);
    if (known === undefined) return;
    if (known.peer === this.#host.selfPeer()) {
      throw new StorageError('not-active', 'the active node cannot remove itself: step down first');
    }
    await this.#change([{ kind: 'remove', peer: known.peer }], undefined);
    this.#log.info('a node was removed', { nodeId, peer: known.peer });
  }

  peers(): readonly PeerInfo[] {
    const { list, membership } = this.#host.members();
    const leader = this.#host.raftStatus()?.leader;
    return list.map((member) => ({
      nodeId: member.nodeId,
      address: member.clusterAddress.replace(/^[a-z]+:\/\//, ''),
      leader: member.peer === leader,
      voter: membership.voters.includes(member.peer),
      protocolVersion: '3',
    }));
  }

  /** Called with each tick. */
  tend(): void {
    if (this.#tending) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#restUntilMs) return;
    // At each tick: until a learner is a voter, the cluster survives less than its operator thinks.
    let work = this.#host.active() ? this.#promotion() : undefined;
    if (work === undefined && nowMs - this.#announcedAtMs >= TEND_MS) {
      this.#announcedAtMs = nowMs;
      work = this.#selfAnnouncement();
    }
    if (work === undefined) return;
    this.#tending = true;
    void work
      .catch((error: unknown) => {
        this.#restUntilMs = this.#clock.monotonicMs() + TEND_MS;
        this.#log.warn('a change of the members has to wait', { error });
      })
      .finally(() => {
        this.#tending = false;
      });
  }

  /** Makes a voter of a learner that has caught up, if there is one. */
  #promotion(): Promise<void> | undefined {
    const { list, membership } = this.#host.members();
    if (membership.learners.length === 0) return undefined;
    const status = this.#host.raftStatus();
    if (status === undefined) return undefined;
    for (const member of list) {
      if (!member.promote || !membership.learners.includes(member.peer)) continue;
      const progress = status.progress.find((each) => each.peer === member.peer);
      if (progress === undefined || !progress.recentlyActive || progress.state !== 'replicate') continue;
      if (status.lastIndex - progress.match > CAUGHT_UP_ENTRIES) continue;
      this.#log.info('a node caught up and becomes a voter', { nodeId: member.nodeId });
      const promoted = { ...member, promote: false };
      return this.#change([{ kind: 'add-voter', peer: member.peer }], promoted);
    }
    return undefined;
  }

  /** Tells the cluster where this node is now, if it has moved. */
  #selfAnnouncement(): Promise<void> | undefined {
    const peer = this.#host.selfPeer();
    const known = this.#host.members().list.find((member) => member.peer === peer);
    const { self } = this.#host;
    if (known === undefined) return undefined;
    if (known.apiAddress === self.apiAddress && known.clusterAddress === self.clusterAddress) return undefined;
    if (this.#host.active()) return this.#host.announce(peer, self);
    const leader = this.#host.leaderAddress();
    if (leader === undefined) return undefined;
    const controller = new AbortController();
    const cancel = this.#clock.after(CHANGE_MS_MAX, () => controller.abort(new StorageError('deadline', 'no answer')));
    const payload = Buffer.from(JSON.stringify(self));
    return this.#forward.call(leader, ANNOUNCE, payload, controller.signal).then(cancel, (error: unknown) => {
      cancel();
      throw error;
    });
  }

  async #announced(payload: Uint8Array, from: string): Promise<Uint8Array> {
    this.#mustBeActive();
    const address = readAddress(payload);
    // The sender is known by its certificate: nobody announces for another.
    if (address.nodeId !== from) throw new StorageError('conflict', 'a node can announce only itself');
    const known = this.#host.members().list.find((member) => member.nodeId === from);
    if (known === undefined) throw new StorageError('conflict', 'the node is no member');
    await this.#host.announce(known.peer, address);
    return new Uint8Array(0);
  }

  async #change(steps: readonly MembershipStep[], member: Member | undefined): Promise<void> {
    const context = encodeMemberContext(member);
    const untilMs = this.#clock.monotonicMs() + CHANGE_MS_MAX;
    while (!(await this.#host.change(steps, context))) {
      if (this.#clock.monotonicMs() > untilMs) {
        throw new StorageError('deadline', 'another change of the members does not come to an end');
      }
      await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
      this.#mustBeActive();
    }
  }

  #alive(peer: PeerId): boolean {
    if (peer === this.#host.selfPeer()) return true;
    const progress = this.#host.raftStatus()?.progress.find((each) => each.peer === peer);
    return progress?.recentlyActive === true;
  }

  #numbered(): readonly NumberedPeer[] {
    return this.#host.members().list.map(({ peer, nodeId, apiAddress, clusterAddress }) => {
      return { peerId: peer, nodeId, apiAddress, clusterAddress };
    });
  }

  #mustBeActive(): void {
    if (!this.#host.active()) throw new StorageError('not-active', 'only the active node changes the members');
  }
}

function readAddress(payload: Uint8Array): NodeAddress {
  const raw = JSON.parse(Buffer.from(payload).toString('utf8')) as Partial<NodeAddress>;
  const { nodeId, apiAddress, clusterAddress } = raw;
  if (typeof nodeId !== 'string' || typeof apiAddress !== 'string' || typeof clusterAddress !== 'string') {
    throw new StorageError('conflict', 'not an address of a node');
  }
  return { nodeId, apiAddress, clusterAddress };
}
