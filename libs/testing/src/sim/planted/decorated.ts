import type { CreateRaft, LogReader, Raft, RestoredState } from 'raft-ts';

/** Makes what is to be replaced of a core's methods. */
export type Decorate = (inner: Raft, restored: RestoredState, log: LogReader) => Partial<Raft>;

/** All that a core can do, passed on, but for what `decorate` replaces. */
export function decorated(createRaft: CreateRaft, decorate: Decorate): CreateRaft {
  return (config, restored, log) => {
    const inner = createRaft(config, restored, log);
    return {
      tick: () => inner.tick(),
      step: (message) => inner.step(message),
      propose: (data) => inner.propose(data),
      proposeMembership: (change) => inner.proposeMembership(change),
      readIndex: (request) => inner.readIndex(request),
      campaign: () => inner.campaign(),
      transferLeadership: (to) => inner.transferLeadership(to),
      reportUnreachable: (peer) => inner.reportUnreachable(peer),
      reportSnapshot: (peer, outcome) => inner.reportSnapshot(peer, outcome),
      snapshotInstalled: (meta) => inner.snapshotInstalled(meta),
      snapshotFailed: () => inner.snapshotFailed(),
      hasReady: () => inner.hasReady(),
      ready: () => inner.ready(),
      advance: () => inner.advance(),
      appliedTo: (index) => inner.appliedTo(index),
      applyMembership: (change) => inner.applyMembership(change),
      status: () => inner.status(),
      standing: () => inner.standing(),
      ...decorate(inner, restored, log),
    };
  };
}
