import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { isVoter, membersOf } from './membership.ts';
import type { Message, PeerId, SnapshotMeta } from './message.ts';
import { NOBODY } from './message.ts';
import { replyToAppend } from './replication.ts';

/** Section 7, as a follower. The leader was recognised already. */
export function handleSnapshot(core: CoreState, message: Message & { readonly kind: 'snapshot' }): void {
  const { log } = core;
  const { from, snapshot } = message;
  // One at a time: the leader sends another if this one comes to nothing.
  if (core.pendingSnapshot !== undefined) return;
  if (snapshot.index <= log.commit) {
    replyToAppend(core, from, log.commit);
    return;
  }
  if (log.matches(snapshot.index, snapshot.term)) {
    // All of it is in the log already: only the commit index was behind.
    log.commitTo(snapshot.index);
    replyToAppend(core, from, snapshot.index);
    return;
  }
  // A state that does not know us was meant for another, or we were removed.
  if (!membersOf(snapshot.membership).includes(core.id)) return;
  core.pendingSnapshot = { from, meta: snapshot };
  core.snapshotFresh = true;
}

/** The host has put the snapshot, or a later one, in the place of its state and log. */
export function snapshotInstalled(core: CoreState, meta: SnapshotMeta): void {
  const { pendingSnapshot } = core;
  assert(pendingSnapshot !== undefined, 'a snapshot is installed when one was offered');
  assert(meta.index >= pendingSnapshot.meta.index, 'the snapshot that was installed is not older than the one offered');
  core.pendingSnapshot = undefined;
  core.snapshotFresh = false;
  core.log.restored(meta.index, meta.term);
  core.membership = meta.membership;
  core.appliedMembership = meta.membership;
  if (core.leader !== NOBODY && core.leader !== core.id) replyToAppend(core, core.leader, meta.index);
}

export function snapshotFailed(core: CoreState): void {
  core.pendingSnapshot = undefined;
  core.snapshotFresh = false;
}

/** As the leader: the transport is done with a snapshot. What became of it shows when the follower is probed. */
export function reportSnapshot(core: CoreState, peer: PeerId, outcome: 'sent' | 'failed'): void {
  const progress = core.progress.get(peer);
  if (core.role !== 'leader' || progress?.state !== 'snapshot') return;
  if (outcome === 'failed') progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Not at once: it may take a while to install, or be the reason of the failure.
  progress.probeSent = true;
}

/** As the leader: appends to this peer may be lost, so go back to one at a time. */
export function reportUnreachable(core: CoreState, peer: PeerId): void {
  const progress = core.progress.get(peer);
  if (core.role !== 'leader' || peer === core.id || progress?.state !== 'replicate') return;
  progress.becomeProbe();
  progress.poked = isVoter(core.membership, peer);
}
