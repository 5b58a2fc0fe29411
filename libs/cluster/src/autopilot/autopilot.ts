import type { Clock } from '@coffer/kernel';
import { AUTOPILOT_DEFAULTS, type AutopilotSettings, type AutopilotState } from '@coffer/storage';
import type { RaftStatus } from 'raft-ts';
import type { Member, Members, MemberTraits } from '../disk/members.ts';
import { reportOf } from './autopilot-report.ts';
import type { AutopilotView } from './autopilot-view.ts';
import { nextAction, type AutopilotAction } from './next-action.ts';
import { healthOf, type ServerHealth } from './server-health.ts';

/** While a cluster has never had more members than this it is being built, and its voters are made at once. */
const FOUNDERS = 3;

export interface AutopilotWorld {
  members(): Members;
  /** Undefined while this node takes no part. */
  raftStatus(): RaftStatus | undefined;
  /** What a member told about itself; undefined until it did. */
  traits(member: Member): MemberTraits | undefined;
  readonly tickMs: number;
}

interface Since {
  readonly healthy: boolean;
  /** Monotonic and wall-clock milliseconds. */
  readonly sinceMs: number;
  readonly wallMs: number;
}

/**
 * Watches over the members, on the leader. It keeps since when each is as it is; what follows from that is decided by
 * `nextAction`, and `Roster` acts.
 */
export class Autopilot {
  readonly #world: AutopilotWorld;
  readonly #clock: Clock;
  #settings = AUTOPILOT_DEFAULTS;
  /** The term of which the rest is true. */
  #term = 0;
  #leadsSinceMs = 0;
  readonly #since = new Map<number, Since>();

  constructor(world: AutopilotWorld, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
  }

  configure(settings: AutopilotSettings): void {
    this.#settings = settings;
  }

  /** What is to be done now, if anything. Watches as well: to be called often. */
  next(): AutopilotAction | undefined {
    const view = this.#view();
    return view && nextAction(view);
  }

  /** As `sys/storage/raft/autopilot/state` tells it. Undefined where this node does not lead. */
  state(): AutopilotState | undefined {
    const view = this.#view();
    return view && reportOf(view, ({ member }) => this.#since.get(member.peer)?.wallMs ?? this.#clock.nowMs());
  }

  /** How the members are now. Undefined where this node does not lead. */
  #view(): AutopilotView | undefined {
    const raft = this.#world.raftStatus();
    if (raft?.role !== 'leader') return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (raft.term !== this.#term) {
      this.#term = raft.term;
      this.#leadsSinceMs = nowMs;
      this.#since.clear();
    }
    const members = this.#world.members();
    const traits = (member: Member): MemberTraits | undefined => this.#world.traits(member);
    const health = healthOf(members, raft, traits, this.#settings, this.#world.tickMs);
    this.#note(health, nowMs);
    return {
      settings: this.#settings,
      servers: health.map((each) => ({ ...each, sinceMs: this.#since.get(each.member.peer)?.sinceMs ?? nowMs })),
      nowMs,
      leadsSinceMs: this.#leadsSinceMs,
      founding: members.nextPeer <= FOUNDERS + 1 && health.length <= FOUNDERS,
    };
  }

  #note(servers: readonly ServerHealth[], nowMs: number): void {
    for (const { member, healthy } of servers) {
      if (this.#since.get(member.peer)?.healthy === healthy) continue;
      this.#since.set(member.peer, { healthy, sinceMs: nowMs, wallMs: this.#clock.nowMs() });
    }
    for (const peer of this.#since.keys()) {
      if (!servers.some(({ member }) => member.peer === peer)) this.#since.delete(peer);
    }
  }
}
