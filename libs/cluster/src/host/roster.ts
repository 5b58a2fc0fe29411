import { Turns, assertNever, type Clock, type Log } from '@coffer/kernel';
import { StorageError, type AutopilotSettings, type AutopilotState, type NodeAddress } from '@coffer/storage';
import type { MembershipStep, PeerId, RaftStatus } from 'raft-ts';
import { Autopilot } from '../autopilot/autopilot.ts';
import type { AutopilotAction } from '../autopilot/next-action.ts';
import type { ForwardChannel, NumberedPeer, PeerInfo } from '../cluster.ts';
import { encodeMemberContext, type Member, type Members, type MemberTraits } from '../disk/members.ts';
import { MembershipError, type ClusterMembership } from '../membership.ts';
import { Announcer } from './announcer.ts';
import { Echoes, type Echo, type EchoFacts } from './echoes.ts';

/** What failed is tried again after so long. */
const REST_MS = 500;
/** A change of members waits so long for a former one to end, in milliseconds. */
const CHANGE_MS_MAX = 10_000;
const RETRY_MS = 50;
/** A member that did not take the lead is asked again after so long: writes wait while the lead is on its way. */
const TRANSFER_REST_MS = 10_000;

export interface RosterHost {
  readonly self: NodeAddress;
  readonly tickMs: number;
  selfPeer(): PeerId;
  members(): Members;
  appliedIndex(): number;
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
  stepDown(): Promise<void>;
  /** Hands the lead to this member; resolves when it is gone, or stays here. */
  handOver(to: PeerId): Promise<void>;
}

/** The members of the cluster: joins, removals, votes given and taken, changes of address. */
export class Roster implements ClusterMembership {
  readonly #host: RosterHost;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #announcer: Announcer;
  readonly #echoes: Echoes;
  readonly #autopilot: Autopilot;
  #restUntilMs = 0;
  #transferRestUntilMs = 0;
  #tending = false;
  readonly #admissions = new Turns();

  constructor(host: RosterHost, forward: ForwardChannel, clock: Clock, log: Log) {
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#announcer = new Announcer(host, forward, clock);
    const isMember = (nodeId: string): boolean => this.#find(nodeId) !== undefined;
    this.#echoes = new Echoes(
      {
        active: () => host.active(),
        appliedIndex: () => host.appliedIndex(),
        leaderAddress: () => host.leaderAddress(),
        isMember,
      },
      forward,
      clock,
      log,
    );
    this.#autopilot = new Autopilot(
      {
        members: () => host.members(),
        raftStatus: () => host.raftStatus(),
        traits: (member) => this.#traits(member),
        tickMs: host.tickMs,
      },
      clock,
    );
  }

  /** One after the other: the next free number is known when the one before took effect. */
  admit(peer: NodeAddress, nonVoter: boolean): Promise<{ peerId: number; peers: readonly NumberedPeer[] }> {
    return this.#admissions.take(() => this.#admit(peer, nonVoter));
  }

  async #admit(peer: NodeAddress, nonVoter: boolean): Promise<{ peerId: number; peers: readonly NumberedPeer[] }> {
    this.#mustBeActive();
    const known = this.#find(peer.nodeId);
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
    const known = this.#find(nodeId);
    if (known === undefined) return;
    if (known.peer === this.#host.selfPeer()) return this.#leaveToNext('remove');
    this.#mustKeepAVoter(known.peer, 'remove');
    await this.#change([{ kind: 'remove', peer: known.peer }], undefined);
    this.#log.info('a node was removed', { nodeId, peer: known.peer });
  }

  async promote(nodeId: string): Promise<void> {
    this.#mustBeActive();
    const known = this.#known(nodeId);
    if (known.promote || this.#votes(known.peer)) {
      throw new MembershipError(`server ${nodeId} is not a non-voter`);
    }
    // Autopilot gives it its vote when it is fit for that.
    await this.#change([{ kind: 'add-learner', peer: known.peer }], { ...known, promote: true });
    this.#log.info('a node is to become a voter', { nodeId });
  }

  async demote(nodeId: string): Promise<void> {
    this.#mustBeActive();
    const known = this.#known(nodeId);
    if (!known.promote && !this.#votes(known.peer)) {
      throw new MembershipError(`server ${nodeId} is already a non-voter`);
    }
    this.#mustKeepAVoter(known.peer, 'demote');
    if (known.peer === this.#host.selfPeer()) return this.#leaveToNext('demote');
    await this.#change([{ kind: 'add-learner', peer: known.peer }], { ...known, promote: false });
    this.#log.info('a node lost its vote', { nodeId });
  }

  peers(): readonly PeerInfo[] {
    const { list, membership } = this.#host.members();
    const leader = this.#host.raftStatus()?.leader;
    return list.map((member) => ({
      nodeId: member.nodeId,
      address: member.clusterAddress.replace(/^[a-z]+:\/\//, ''),
      apiAddress: member.apiAddress,
      leader: member.peer === leader,
      voter: membership.voters.includes(member.peer),
      protocolVersion: '3',
    }));
  }

  autopilot(): AutopilotState | undefined {
    return this.#autopilot.state();
  }

  configure(settings: AutopilotSettings): void {
    this.#autopilot.configure(settings);
  }

  introduce(traits: MemberTraits): void {
    this.#echoes.introduce(traits);
  }

  echoing(facts: () => EchoFacts): void {
    this.#echoes.tell(facts);
  }

  echoes(): ReadonlyMap<string, Echo> {
    return this.#echoes.received();
  }

  /** Called with each tick. */
  tend(): void {
    this.#echoes.tend();
    if (this.#tending || this.#clock.monotonicMs() < this.#restUntilMs) return;
    // At each tick: until a learner is a voter, the cluster survives less than its operator thinks.
    const work = this.#autopilotWork() ?? this.#announcer.due();
    if (work === undefined) return;
    this.#tending = true;
    void work
      .catch((error: unknown) => {
        this.#restUntilMs = this.#clock.monotonicMs() + REST_MS;
        this.#log.warn('a change of the members has to wait', { error });
      })
      .finally(() => {
        this.#tending = false;
      });
  }

  #autopilotWork(): Promise<void> | undefined {
    if (!this.#host.active()) return undefined;
    const action = this.#autopilot.next();
    return action === undefined ? this.#noteTraits() : this.#act(action);
  }

  #act({ kind, server }: AutopilotAction): Promise<void> | undefined {
    const member = this.#withTraits(server.member);
    const { nodeId, peer } = member;
    const zone = member.traits?.zone;
    switch (kind) {
      case 'promote':
        return this.#changeIfFree([{ kind: 'add-voter', peer }], { ...member, promote: false }, () =>
          this.#log.info('autopilot gave a node a vote', { nodeId, zone }),
        );
      case 'demote':
        return this.#changeIfFree([{ kind: 'add-learner', peer }], { ...member, promote: true }, () =>
          this.#log.info('autopilot took the vote of a node', { nodeId, zone }),
        );
      case 'transfer':
        return this.#clock.monotonicMs() < this.#transferRestUntilMs ? undefined : this.#transfer(nodeId, peer);
      case 'remove':
        return this.#changeIfFree([{ kind: 'remove', peer }], undefined, () =>
          this.#log.warn('autopilot removed a dead server', { nodeId, peer, silentMs: server.silentMs }),
        );
      default:
        return assertNever(kind, 'action of autopilot');
    }
  }

  async #transfer(nodeId: string, to: PeerId): Promise<void> {
    this.#transferRestUntilMs = this.#clock.monotonicMs() + TRANSFER_REST_MS;
    this.#log.info('autopilot hands the lead to a node of the newest version', { nodeId });
    await this.#host.handOver(to);
  }

  /** Keeps what members told of themselves in the list, for leaders that do not hear it from a dead one. */
  #noteTraits(): Promise<void> | undefined {
    const { list } = this.#host.members();
    const known = list.find((member) => !sameTraits(member.traits, this.#traits(member)));
    if (known === undefined) return undefined;
    const { peer } = known;
    const step = { kind: this.#votes(peer) ? 'add-voter' : 'add-learner', peer } as const;
    return this.#changeIfFree([step], this.#withTraits(known), () =>
      this.#log.debug('a node told of itself', { nodeId: known.nodeId }),
    );
  }

  #traits(member: Member): MemberTraits | undefined {
    const own = member.peer === this.#host.selfPeer();
    const told = own ? this.#echoes.traits : this.#echoes.received().get(member.nodeId);
    if (told === undefined) return member.traits;
    const { version, upgradeVersion, zone } = told;
    return {
      version,
      ...(upgradeVersion === undefined ? {} : { upgradeVersion }),
      ...(zone === undefined ? {} : { zone }),
    };
  }

  #withTraits(member: Member): Member {
    const traits = this.#traits(member);
    return traits === undefined ? member : { ...member, traits };
  }

  /**
   * A leader changes itself by handing over: the next one does it when the request gets there.
   *
   * @throws StorageError `not-active` once another can lead; MembershipError where none can
   */
  async #leaveToNext(what: 'remove' | 'demote'): Promise<never> {
    this.#mustKeepAVoter(this.#host.selfPeer(), what);
    await this.#host.stepDown();
    if (this.#host.active()) throw new MembershipError(`cannot ${what} the active node: no other can take over now`);
    throw new StorageError('not-active', 'the node hands over before it is changed');
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

  /** Where another change is under way nothing is done: what it leads to is judged anew. */
  async #changeIfFree(steps: readonly MembershipStep[], member: Member | undefined, done: () => void): Promise<void> {
    if (await this.#host.change(steps, encodeMemberContext(member))) done();
  }

  #find(nodeId: string): Member | undefined {
    return this.#host.members().list.find((member) => member.nodeId === nodeId);
  }

  #known(nodeId: string): Member {
    const known = this.#find(nodeId);
    if (known === undefined) throw new MembershipError(`server ${nodeId} not found in raft configuration`);
    return known;
  }

  #votes(peer: PeerId): boolean {
    return this.#host.members().membership.voters.includes(peer);
  }

  #mustKeepAVoter(peer: PeerId, what: string): void {
    const { voters } = this.#host.members().membership;
    if (voters.length === 1 && voters[0] === peer) throw new MembershipError(`cannot ${what} the only voter`);
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

function sameTraits(left: MemberTraits | undefined, right: MemberTraits | undefined): boolean {
  return (
    left?.version === right?.version && left?.upgradeVersion === right?.upgradeVersion && left?.zone === right?.zone
  );
}
