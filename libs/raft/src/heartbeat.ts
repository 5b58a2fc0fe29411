import type { CoreState } from './core-state.ts';
import { isVoter } from './membership.ts';

/** Tells all members that we lead, with the number of the round, so that their answers confirm reads. */
export function broadcastHeartbeat(core: CoreState): void {
  core.heartbeatElapsed = 0;
  // One that retires has to know what was heard: its answers must be to this very round.
  if (core.role === 'leader' && !isVoter(core.membership, core.id)) core.reads.round++;
  for (const [to, progress] of core.progress) {
    if (to === core.id) continue;
    // No more than is known to match: beyond, its log may differ from ours.
    const commit = Math.min(progress.match, core.log.commit);
    if (progress.sentRound !== core.reads.round) {
      progress.sentRound = core.reads.round;
      progress.sentRoundCommit = commit;
    }
    core.send({ kind: 'heartbeat', from: core.id, to, term: core.term, commit, round: core.reads.round });
  }
}
