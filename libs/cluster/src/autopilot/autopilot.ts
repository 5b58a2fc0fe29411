import type { Clock } from '@coffer/kernel';
import type { RaftStatus } from 'raft-ts';
import type { Members } from '../disk/members.ts';
import type { Echo } from '../host/echoes.ts';
import type { AutopilotServer, AutopilotState } from '../membership.ts';
import { AUTOPILOT_DEFAULTS, type AutopilotConfig } from './autopilot-config.ts';
import { deadToRemove } from './cleanup.ts';
import { healthOf, type ServerHealth } from './server-health.ts';

/** A learner that is at most so many entries behind may become a voter. */
const CAUGHT_UP_ENTRIES = 256;
/** A leader that leads for less than this many stabilisation times has not seen enough to make anyone wait (as Vault). */
const WATCHED_TIMES = 1.1;
/** While a cluster has never had more members than this it is being built, and its voters are made at once. */
const FOUNDERS = 3;

export interface AutopilotWorld {
  members(): Members;
  /** Undefined while this node takes no part. */
  raftStatus(): RaftStatus | undefined;
  echoes(): ReadonlyMap<string, Echo>;
  readonly tickMs: number;
}

/** Watches over the members, on the leader: who is well, who gets a vote, who is removed. It only judges; `Roster` acts. */
export class Autopilot {
  readonly #world: AutopilotWorld;
  readonly #clock: Clock;
  #config = AUTOPILOT_DEFAULTS;
  /** The term of which the rest is true. */
  #term = 0;
  #leadsSinceMs = 0;
  /** For each member since when it is as it is: monotonic and wall-clock milliseconds. */
  readonly #since = new Map<number, { readonly healthy: boolean; readonly sinceMs: number; readonly wallMs: number }>();

  constructor(world: AutopilotWorld, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
  }

  get config(): AutopilotConfig {
    return this.#config;
  }

  configure(config: AutopilotConfig): void {
    this.#config = config;
  }

  /** Judges the members now. Undefined where this node does not lead. */
  judge(): readonly ServerHealth[] | undefined {
    const raft = this.#world.raftStatus();
    if (raft?.role !== 'leader') return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (raft.term !== this.#term) {
      this.#term = raft.term;
      this.#leadsSinceMs = nowMs;
      this.#since.clear();
    }
    const members = this.#world.members();
    const servers = healthOf(members, raft, this.#world.echoes(), this.#config, this.#world.tickMs);
    for (const { member, healthy } of servers) {
      if (this.#since.get(member.peer)?.healthy === healthy) continue;
      this.#since.set(member.peer, { healthy, sinceMs: nowMs, wallMs: this.#clock.nowMs() });
    }
    for (const peer of this.#since.keys()) {
      if (!servers.some(({ member }) => member.peer === peer)) this.#since.delete(peer);
    }
    return servers;
  }

  /** The learner that is to become a voter now, if there is one. */
  toPromote(servers: readonly ServerHealth[]): ServerHealth | undefined {
    const raft = this.#world.raftStatus();
    if (raft === undefined) return undefined;
    return servers.find(({ member, voter, healthy }) => {
      if (voter || !healthy || !member.promote) return false;
      const progress = raft.progress.find(({ peer }) => peer === member.peer);
      if (progress?.recentlyActive !== true || progress.state !== 'replicate') return false;
      return raft.lastIndex - progress.match <= CAUGHT_UP_ENTRIES && this.#isStable(member.peer, servers);
    });
  }

  /** The dead member that is to be removed now, if there is one. */
  toRemove(servers: readonly ServerHealth[]): ServerHealth | undefined {
    return deadToRemove(servers, this.#config);
  }

  /** As `sys/storage/raft/autopilot/state` tells it. Undefined where this node does not lead. */
  state(): AutopilotState | undefined {
    const judged = this.judge();
    if (judged === undefined) return undefined;
    const voters = judged.filter((server) => server.voter);
    const living = voters.filter((server) => server.healthy).length;
    const quorum = Math.floor(voters.length / 2) + 1;
    return {
      healthy: judged.every((server) => server.healthy),
      failureTolerance: Math.max(0, living - quorum),
      leader: judged.find((server) => server.leader)?.member.nodeId ?? '',
      voters: voters.map((server) => server.member.nodeId),
      nonVoters: judged.filter((server) => !server.voter).map((server) => server.member.nodeId),
      servers: judged.map((server) => this.#shown(server)),
    };
  }

  #shown(server: ServerHealth): AutopilotServer {
    const { member, leader, voter, silentMs, lastTerm, lastIndex, healthy, dead, version } = server;
    return {
      nodeId: member.nodeId,
      address: member.clusterAddress.replace(/^[a-z]+:\/\//, ''),
      alive: !dead,
      leader,
      voter,
      votesLater: !voter && member.promote,
      lastContactMs: silentMs,
      lastTerm,
      lastIndex,
      healthy,
      stableSinceMs: this.#since.get(member.peer)?.wallMs ?? this.#clock.nowMs(),
      ...(version === undefined ? {} : { version }),
    };
  }

  #isStable(peer: number, servers: readonly ServerHealth[]): boolean {
    const waitMs = this.#config.serverStabilizationMs;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#leadsSinceMs < waitMs * WATCHED_TIMES) return true;
    const { nextPeer } = this.#world.members();
    if (nextPeer <= FOUNDERS + 1 && servers.length <= FOUNDERS) return true;
    const since = this.#since.get(peer);
    return since?.healthy === true && nowMs - since.sinceMs >= waitMs;
  }
}
