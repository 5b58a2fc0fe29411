import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { isVoter } from './membership.ts';
import { NOBODY } from './message.ts';
import type { PeerId } from './message.ts';

/** Begins to hand the lead over (thesis, section 3.10): bring the other up to date, then let it campaign. */
export function transferLeadership(core: CoreState, to: PeerId): void {
  if (core.role !== 'leader' || to === core.id || to === core.transferee) return;
  const progress = core.progress.get(to);
  if (progress === undefined || !isVoter(core.membership, to)) return;
  core.transferee = to;
  core.transferElapsed = 0;
  if (progress.match === core.log.lastIndex) {
    sendTimeoutNow(core);
    return;
  }
  progress.poked = true;
  core.sendsDue = true;
}

export function sendTimeoutNow(core: CoreState): void {
  const { transferee, id, term } = core;
  assert(transferee !== NOBODY, 'the lead is handed to somebody');
  core.send({ kind: 'timeout-now', from: id, to: transferee, term });
}

/** Gives up; proposals are taken again. */
export function abortTransfer(core: CoreState): void {
  core.transferee = NOBODY;
  core.transferElapsed = 0;
}
