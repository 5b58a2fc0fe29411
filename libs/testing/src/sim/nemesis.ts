import { assertNever } from '@coffer/kernel';
import type { Membership, MembershipStep, PeerId } from 'raft-ts';
import type { EventQueue } from './event-queue.ts';
import type { FaultPlan } from './fault-plan.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimNetwork } from './sim-network.ts';
import { isMember } from './register-machine.ts';
import type { SimNode } from './sim-node.ts';

/** What the nemesis works on. */
export interface Cluster {
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  /** All that were ever started, by number. */
  nodes(): readonly SimNode[];
  /** The node that leads the highest term. */
  leader(): SimNode | undefined;
  /** Starts a node that knows nothing; a number is never used twice. */
  join(): SimNode;
  /** Shuts a node down for good. */
  retire(node: SimNode): void;
  retired(peer: PeerId): boolean;
  readonly trace: ((line: () => string) => void) | undefined;
}

type Deed = 'crash' | 'pause' | 'partition' | 'lag' | 'membership' | 'transfer' | 'campaign';

/** Does to a cluster what machines, networks and operators do, until it is told to stop. */
export class Nemesis {
  readonly #cluster: Cluster;
  readonly #plan: FaultPlan;
  #stopped = false;

  constructor(cluster: Cluster, plan: FaultPlan) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#again('crash', plan.crash.mean);
    this.#again('pause', plan.clock.pauseMean);
    this.#again('partition', plan.partition.mean);
    this.#again('lag', plan.lag.mean);
    this.#again('membership', plan.membership.mean);
    this.#again('transfer', plan.transferMean);
    this.#again('campaign', plan.campaignMean);
  }

  /** Ends all faults: the network heals, who is down starts, who pauses goes on. */
  stop(): void {
    this.#stopped = true;
    const { network } = this.#cluster;
    network.heal();
    for (const node of this.#cluster.nodes()) {
      if (this.#cluster.retired(node.id)) continue;
      if (node.up()) node.wake();
      else node.start();
    }
  }

  #again(deed: Deed, mean: number): void {
    if (mean === 0) return;
    const { queue, random } = this.#cluster;
    queue.after(random.between(1, 2 * mean), () => {
      if (this.#stopped) return;
      this.#do(deed);
      this.#again(deed, mean);
    });
  }

  #do(deed: Deed): void {
    const { random } = this.#cluster;
    switch (deed) {
      case 'crash':
        return this.#crash();
      case 'pause':
        return this.#victim()?.pause(random.between(1, this.#plan.clock.pauseMax));
      case 'partition':
        return this.#partition();
      case 'lag':
        return this.#lag();
      case 'membership':
        return this.#changeMembership();
      case 'transfer':
        return this.#transfer();
      case 'campaign':
        return this.#victim()?.command((raft) => raft.campaign());
      default:
        return assertNever(deed, 'deed');
    }
  }

  /** The leader as often as not: it is where faults hurt. */
  #victim(): SimNode | undefined {
    const { random } = this.#cluster;
    const leader = this.#cluster.leader();
    if (leader !== undefined && random.chance(500)) return leader;
    const up = this.#cluster.nodes().filter((node) => node.up());
    return up.length === 0 ? undefined : random.pick(up);
  }

  #crash(): void {
    const { random } = this.#cluster;
    const first = this.#victim();
    if (first === undefined) return;
    // Now and then the power of the whole room fails.
    const room = random.chance(100) ? this.#cluster.nodes().filter((node) => node.up()) : [first];
    for (const node of room) this.#switchOff(node);
  }

  #switchOff(node: SimNode): void {
    const { random, queue } = this.#cluster;
    node.crash();
    queue.after(random.between(1, this.#plan.crash.downMax), () => {
      if (!node.up() && !this.#cluster.retired(node.id)) node.start();
    });
  }

  #partition(): void {
    const { random, network, queue } = this.#cluster;
    const ids = this.#cluster.nodes().map((node) => node.id);
    const victim = this.#victim();
    queue.after(random.between(1, this.#plan.partition.lengthMax), () => network.heal());
    if (this.#plan.partition.partial && random.chance(500)) return this.#cutLinks(ids);
    const apart = new Set(random.sample(ids, random.between(1, Math.max(1, ids.length - 1))));
    if (victim !== undefined) apart.add(victim.id);
    const oneWay = this.#plan.partition.asymmetric && random.chance(500);
    this.#cluster.trace?.(() => `nemesis cuts off ${[...apart].join(', ')}${oneWay ? ' one way' : ''}`);
    network.heal();
    for (const inside of apart) {
      for (const outside of ids) {
        if (apart.has(outside)) continue;
        network.block(inside, outside);
        if (!oneWay) network.block(outside, inside);
      }
    }
  }

  /** Single links, or all but those over one node: a bridge between nodes that do not hear each other. */
  #cutLinks(ids: readonly PeerId[]): void {
    const { random, network } = this.#cluster;
    const bridge = random.chance(500) ? random.pick(ids) : undefined;
    const oneWay = this.#plan.partition.asymmetric && random.chance(500);
    this.#cluster.trace?.(() => `nemesis cuts links${bridge === undefined ? '' : ` but for those of ${bridge}`}`);
    network.heal();
    for (const one of ids) {
      for (const other of ids) {
        if (one >= other || one === bridge || other === bridge) continue;
        if (!random.chance(bridge === undefined ? 400 : 900)) continue;
        network.block(one, other);
        if (!oneWay) network.block(other, one);
      }
    }
  }

  /** What a node gets is old, and often it cannot answer: it believes for long what is true no more. */
  #lag(): void {
    const { random, network, queue } = this.#cluster;
    const victim = this.#victim()?.id;
    if (victim === undefined) return;
    const { lagMax, lengthMax } = this.#plan.lag;
    const mute = random.chance(500);
    this.#cluster.trace?.(() => `nemesis lets ${victim} hear late${mute ? ', and mutes it' : ''}`);
    network.heal();
    network.lag(victim, random.between(1, lagMax));
    if (mute) for (const { id } of this.#cluster.nodes()) if (id !== victim) network.block(victim, id);
    queue.after(random.between(1, lengthMax), () => network.heal());
  }

  #transfer(): void {
    const leader = this.#cluster.leader();
    const voters = leader?.status()?.membership.voters ?? [];
    if (leader === undefined || voters.length === 0) return;
    const { random, queue } = this.#cluster;
    const to = random.pick(voters);
    leader.command((raft) => raft.transferLeadership(to));
    if (!random.chance(this.#plan.transferFailsPerMille)) return;
    const heir = this.#cluster.nodes().find((node) => node.id === to);
    queue.after(random.between(1, 2 * this.#plan.raft.electionTicks), () => {
      if (!this.#stopped && heir !== undefined) this.#switchOff(heir);
    });
  }

  #changeMembership(): void {
    const leader = this.#cluster.leader();
    const membership = leader?.status()?.membership;
    if (leader === undefined || membership === undefined) return;
    this.#retireRemoved();
    const steps = this.#steps(membership);
    if (steps.length === 0) return;
    this.#cluster.trace?.(() => `nemesis proposes ${JSON.stringify(steps)} to ${leader.id}`);
    leader.command((raft) => raft.proposeMembership({ kind: 'enter', steps, context: new Uint8Array() }));
  }

  /** Sensible changes: a voter always stays, and no more nodes than there is room for. */
  #steps(membership: Membership): MembershipStep[] {
    const { random } = this.#cluster;
    const steps: MembershipStep[] = [];
    const touched = new Set<PeerId>();
    let voters = [...membership.voters];
    let members = new Set([...voters, ...membership.learners]).size;
    for (let left = random.between(1, this.#plan.membership.stepsMax); left > 0; left -= 1) {
      const kind = random.pick(['join', 'promote', 'demote', 'remove'] as const);
      if (kind === 'join') {
        if (members >= this.#plan.nodesMax) continue;
        const { id } = this.#joiner(membership, touched);
        touched.add(id);
        members += 1;
        const asVoter = random.chance(500);
        if (asVoter) voters.push(id);
        steps.push({ kind: asVoter ? 'add-voter' : 'add-learner', peer: id });
        continue;
      }
      const from =
        kind === 'promote' ? membership.learners : [...voters, ...(kind === 'remove' ? membership.learners : [])];
      const candidates = from.filter((peer) => !touched.has(peer));
      if (candidates.length === 0) continue;
      const peer = random.pick(candidates);
      if (kind !== 'promote' && voters.includes(peer) && voters.length === 1) continue;
      touched.add(peer);
      voters = voters.filter((voter) => voter !== peer);
      if (kind === 'promote') voters.push(peer);
      if (kind === 'remove') members -= 1;
      steps.push(
        kind === 'promote'
          ? { kind: 'add-voter', peer }
          : kind === 'demote'
            ? { kind: 'add-learner', peer }
            : { kind: 'remove', peer },
      );
    }
    return steps;
  }

  /** A node that waits since its joining was refused, or a new one. */
  #joiner(membership: Membership, touched: ReadonlySet<PeerId>): SimNode {
    const waiting = this.#cluster
      .nodes()
      .find(
        (node) =>
          !touched.has(node.id) &&
          !this.#cluster.retired(node.id) &&
          !isMember(membership, node.id) &&
          node.machine().applied === 0 &&
          node.durable().lastIndex() === 0,
      );
    return waiting ?? this.#cluster.join();
  }

  /**
   * Shuts down nodes whose removal all members have applied durably. Earlier it would be an operator's mistake: a
   * member that has not applied the removal still counts on them.
   */
  #retireRemoved(): void {
    if (!this.#plan.stopRemoved) return;
    const status = this.#cluster.leader()?.status();
    // A leader that has not applied all of its log does not know yet who is about to be a member again.
    if (status === undefined || status.applied < status.lastIndex) return;
    const { membership } = status;
    if (membership.votersOutgoing.length > 0) return;
    const nodes = this.#cluster.nodes().filter((node) => !this.#cluster.retired(node.id));
    const members = nodes.filter((node) => isMember(membership, node.id));
    for (const node of nodes) {
      if (isMember(membership, node.id) || node.machine().applied === 0) continue;
      if (members.every((member) => !isMember(member.durable().machine.membership, node.id))) {
        this.#cluster.retire(node);
      }
    }
  }
}
