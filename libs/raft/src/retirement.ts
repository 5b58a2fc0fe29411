import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { isVoter } from './membership.ts';
import { NOBODY } from './message.ts';
import type { PeerId } from './message.ts';
import { quorumIndex } from './quorum.ts';
import { becomeFollower } from './roles.ts';

/**
 * Whether this leader is no voter (any more). It leads on (thesis, section 4.2.2) until those that vote know that the
 * change was committed: as long as they do not, they count on its vote, and its log may be longer than theirs.
 */
export function isRetiring(core: CoreState): boolean {
  return core.role === 'leader' && !isVoter(core.membership, core.id);
}

/** Hands over to the most advanced voter once a quorum of them knows that the change was committed. */
export function retireWhenKnown(core: CoreState): void {
  if (!isRetiring(core) || !core.committedInTerm) return;
  const known = quorumIndex(core.membership, (peer) => core.progress.get(peer)?.knownCommit ?? 0);
  if (known < core.pendingChangeIndex) return;
  const { id, term } = core;
  const to = mostAdvancedVoter(core);
  assert(to !== NOBODY, 'a group has voters');
  core.send({ kind: 'timeout-now', from: id, to, term });
  becomeFollower(core, term, NOBODY);
}

function mostAdvancedVoter(core: CoreState): PeerId {
  let best = NOBODY;
  let bestMatch = -1;
  for (const peer of core.membership.voters) {
    const match = core.progress.get(peer)?.match ?? 0;
    if (match > bestMatch) [best, bestMatch] = [peer, match];
  }
  return best;
}
