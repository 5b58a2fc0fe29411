import type { Entry, LogIndex, LogReader, RaftStatus, Ready } from 'raft-ts';
import type { Decorate } from './decorated.ts';

/** What a leader takes for committed, wrongly. */
export type CommitRule = (status: RaftStatus, log: LogReader) => LogIndex;

/** The leader hands out entries as committed by a rule of its own. */
export function committing(rule: CommitRule): Decorate {
  return (inner, restored, log) => {
    let handedOut = restored.applied;
    let appliedByHost = restored.applied;
    let innerHandedOut = restored.applied;
    let innerApplied = restored.applied;
    const claim = (): LogIndex => {
      const status = inner.status();
      return status.role === 'leader' ? Math.min(rule(status, log), log.lastIndex()) : 0;
    };
    const tell = (): void => {
      const upTo = Math.min(appliedByHost, innerHandedOut);
      if (upTo <= innerApplied) return;
      innerApplied = upTo;
      inner.appliedTo(upTo);
    };
    return {
      hasReady: () => inner.hasReady() || claim() > handedOut,
      ready() {
        const ready = inner.ready();
        innerHandedOut = ready.committed.at(-1)?.index ?? innerHandedOut;
        const committed = ready.committed.filter(({ index }) => index > handedOut);
        handedOut = committed.at(-1)?.index ?? handedOut;
        const extra = claimed(handedOut + 1, claim(), ready, log);
        handedOut = extra.at(-1)?.index ?? handedOut;
        return { ...ready, committed: [...committed, ...extra] };
      },
      advance() {
        inner.advance();
        tell();
      },
      appliedTo(index) {
        appliedByHost = index;
        tell();
      },
    };
  };
}

function claimed(from: LogIndex, to: LogIndex, ready: Ready, log: LogReader): readonly Entry[] {
  const replacedFrom = ready.entries[0]?.index ?? Infinity;
  const end = Math.min(to + 1, replacedFrom);
  return end > from ? (log.entries(from, end, Infinity) ?? []) : [];
}

/** The index that `count` of the peers have, in a leader's eyes. */
function reached(status: RaftStatus, log: LogReader, peers: readonly number[], count: number): LogIndex {
  const matches = peers.map((peer) =>
    peer === status.id ? log.lastIndex() : (status.progress.find((progress) => progress.peer === peer)?.match ?? 0),
  );
  return matches.toSorted((a, b) => b - a)[count - 1] ?? 0;
}

const majority = (peers: readonly number[]): number => Math.floor(peers.length / 2) + 1;

/** Figure 8 of the paper: an entry of an earlier term is on a majority, and can be replaced nevertheless. */
export const oldTermByCounting: CommitRule = (status, log) =>
  reached(status, log, status.membership.voters, majority(status.membership.voters));

export const withoutQuorum: CommitRule = (_, log) => log.lastIndex();

export const learnersCount: CommitRule = (status, log) => {
  const { voters, learners } = status.membership;
  const index = reached(status, log, [...voters, ...learners], majority(voters));
  return log.term(index) === status.term ? index : 0;
};
