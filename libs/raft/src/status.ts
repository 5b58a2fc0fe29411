import type { CoreState } from './core-state.ts';
import type { PeerProgress, RaftStanding, RaftStatus } from './raft.ts';

/** A picture of the core as it is now. */
export function statusOf(core: CoreState): RaftStatus {
  return { ...standingOf(core), progress: progressOf(core) };
}

export function standingOf(core: CoreState): RaftStanding {
  const { id, publicRole: role, term, vote, leader, log, membership, transferee } = core;
  const { commit, applied, lastIndex } = log;
  return { id, role, term, vote, leader, commit, applied, lastIndex, membership, transferee };
}

function progressOf(core: CoreState): PeerProgress[] {
  const { now, config, id } = core;
  const found: PeerProgress[] = [];
  for (const [peer, { match, next, state, window, learner, heardAt }] of core.progress) {
    const silentTicks = peer === id ? 0 : now - heardAt;
    const recentlyActive = silentTicks < config.electionTicks;
    found.push({ peer, match, next, state, inflight: window.count, recentlyActive, learner, silentTicks });
  }
  return found.sort((a, b) => a.peer - b.peer);
}
