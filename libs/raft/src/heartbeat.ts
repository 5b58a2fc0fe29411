import type { CoreState } from './core-state.ts';

/** Tells all members that we lead, with the number of the round, so that their answers confirm reads. */
export function broadcastHeartbeat(core: CoreState): void {
  core.heartbeatElapsed = 0;
  for (const [to, progress] of core.progress) {
    if (to === core.id) continue;
    // No more than is known to match: beyond, its log may differ from ours.
    const commit = Math.min(progress.match, core.log.commit);
    core.send({ kind: 'heartbeat', from: core.id, to, term: core.term, commit, round: core.reads.round });
  }
}
