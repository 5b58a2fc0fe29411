import { assertNever } from '@coffer/kernel';
import type { Entry, Membership, MembershipChange, Message, SnapshotMeta } from '../message.ts';
import type { RaftStatus, Ready } from '../raft.ts';

const STEP_LETTERS = { 'add-voter': 'v', 'add-learner': 'l', remove: 'r' } as const;

/** `v4 l5 r2`, or `leave`. */
export function formatChange(change: MembershipChange): string {
  if (change.kind === 'leave') return 'leave';
  return change.steps.map(({ kind, peer }) => `${STEP_LETTERS[kind]}${peer}`).join(' ');
}

/** `term/index contents`. */
export function formatEntry(entry: Entry): string {
  const place = `${entry.term}/${entry.index}`;
  switch (entry.kind) {
    case 'data':
      return entry.data.length > 24 ? `${place} (${entry.data.length} bytes)` : `${place} "${Buffer.from(entry.data)}"`;
    case 'empty':
      return `${place} empty`;
    case 'membership':
      return `${place} membership ${formatChange(entry.change)}`;
    default:
      return assertNever(entry, 'log entry');
  }
}

export function formatEntries(entries: readonly Entry[]): string {
  return `[${entries.map(formatEntry).join(', ')}]`;
}

/** `voters=(1,2)`, with the other groups where there are any. */
export function formatMembership({ voters, votersOutgoing, learners, learnersNext }: Membership): string {
  const groups = { voters, outgoing: votersOutgoing, learners, next: learnersNext };
  const shown = Object.entries(groups).filter(([name, group]) => name === 'voters' || group.length > 0);
  return shown.map(([name, group]) => `${name}=(${group.join(',')})`).join(' ');
}

function formatSnapshot({ index, term, membership }: SnapshotMeta): string {
  return `${term}/${index} ${formatMembership(membership)}`;
}

function formatBody(message: Message): string {
  switch (message.kind) {
    case 'pre-vote':
    case 'vote':
      return ` last=${message.lastTerm}/${message.lastIndex}${message.transfer ? ' transfer' : ''}`;
    case 'pre-vote-reply':
    case 'vote-reply':
      return message.reject ? ' refused' : ' granted';
    case 'append': {
      const { prevIndex, prevTerm, commit, entries } = message;
      return ` prev=${prevTerm}/${prevIndex} commit=${commit} ${formatEntries(entries)}`;
    }
    case 'append-reply': {
      const { index, reject, hintIndex, hintTerm } = message;
      return reject ? ` refused=${index} hint=${hintTerm}/${hintIndex}` : ` match=${index}`;
    }
    case 'heartbeat':
      return ` commit=${message.commit} round=${message.round}`;
    case 'heartbeat-reply':
      return ` round=${message.round}`;
    case 'snapshot':
      return ` ${formatSnapshot(message.snapshot)}`;
    case 'read-index':
      return ` #${message.request}`;
    case 'read-index-reply':
      return ` #${message.request} ${message.reject ? 'refused' : `index=${message.index}`}`;
    case 'timeout-now':
      return '';
    default:
      return assertNever(message, 'message');
  }
}

/** `from->to kind term=… …`. */
export function formatMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.kind} term=${message.term}${formatBody(message)}`;
}

/** Everything in a `Ready`, a line each. */
export function formatReady(ready: Ready): string[] {
  const lines: string[] = [];
  const { status, hardState, mustSync, entries, committed, snapshot, rival } = ready;
  if (status !== undefined) lines.push(`is ${status.role} term=${status.term} leader=${status.leader}`);
  if (hardState !== undefined) {
    const { term, vote, commit } = hardState;
    lines.push(`writes term=${term} vote=${vote} commit=${commit}${mustSync ? ' (sync)' : ''}`);
  }
  if (entries.length > 0) lines.push(`writes ${formatEntries(entries)}`);
  if (snapshot !== undefined) lines.push(`fetches ${formatSnapshot(snapshot.meta)} from ${snapshot.from}`);
  if (rival !== undefined) lines.push(`hears a second leader of its term, ${rival}`);
  for (const message of ready.earlyMessages) lines.push(`sends early ${formatMessage(message)}`);
  for (const message of ready.messages) lines.push(`sends ${formatMessage(message)}`);
  if (committed.length > 0) lines.push(`applies ${formatEntries(committed)}`);
  for (const state of ready.readStates) {
    lines.push('failed' in state ? `read #${state.request} failed` : `read #${state.request} at ${state.index}`);
  }
  return lines.length === 0 ? ['nothing'] : lines;
}

/** One line of a node and, on a leader, one for each member. */
export function formatStatus(status: RaftStatus): string[] {
  const { id, role, term, vote, leader, commit, applied, lastIndex, membership, transferee } = status;
  const transfer = transferee === 0 ? '' : ` transferee=${transferee}`;
  const head =
    `${id}: ${role} term=${term} vote=${vote} leader=${leader} commit=${commit} applied=${applied} last=${lastIndex}` +
    ` ${formatMembership(membership)}${transfer}`;
  const members = status.progress.map(
    ({ peer, state, match, next, inflight, recentlyActive, learner, silentTicks }) =>
      `  ${peer}: ${state} match=${match} next=${next} inflight=${inflight} silent=${silentTicks}` +
      `${recentlyActive ? '' : ' inactive'}${learner ? ' learner' : ''}`,
  );
  return [head, ...members];
}
