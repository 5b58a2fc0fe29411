import type { Entry, LogIndex } from 'raft-ts';
import type { LogBatch, LogStore } from './log-store.ts';

/** Takes their effect from the entries about members, from an index on, in a batch: each stays in its place, empty. */
export function dropMemberChanges(log: LogStore, from: LogIndex, batch: LogBatch): void {
  if (from > log.lastIndex()) return;
  const entries = log.entries(from, log.lastIndex() + 1, Number.MAX_SAFE_INTEGER) ?? [];
  const first = entries.findIndex((entry) => entry.kind === 'membership');
  if (first >= 0) log.append(entries.slice(first).map(withoutChange), batch);
}

/** The same place in the log, without effect. */
function withoutChange(entry: Entry): Entry {
  return entry.kind === 'membership' ? { kind: 'empty', term: entry.term, index: entry.index } : entry;
}
