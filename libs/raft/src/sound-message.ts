import type { Entry, Membership, MembershipChange, Message, PeerId } from './message.ts';

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPeer(value: unknown): boolean {
  return isCount(value) && value > 0;
}

function arePeers(value: unknown): boolean {
  return Array.isArray(value) && value.every(isPeer);
}

/** Terms and indexes go together: 0 is before everything, and only that. */
function isPlace(index: unknown, term: unknown): boolean {
  return isCount(index) && isCount(term) && (index === 0) === (term === 0);
}

function isSoundMembership(value: Membership | undefined): boolean {
  if (typeof value !== 'object') return false;
  const { voters, votersOutgoing, learners, learnersNext } = value;
  return [voters, votersOutgoing, learners, learnersNext].every(arePeers) && voters.length > 0;
}

function isSoundChange(change: MembershipChange | undefined): boolean {
  if (change?.kind === 'leave') return true;
  if (change?.kind !== 'enter') return false;
  return (
    change.context instanceof Uint8Array &&
    Array.isArray(change.steps) &&
    change.steps.every((step) => ['add-voter', 'add-learner', 'remove'].includes(step.kind) && isPeer(step.peer))
  );
}

function isSoundEntry(entry: Entry): boolean {
  switch (entry.kind) {
    case 'data':
      return entry.data instanceof Uint8Array;
    case 'empty':
      return true;
    case 'membership':
      return isSoundChange(entry.change);
    default:
      return false;
  }
}

/** Entries follow each other, in terms that never fall and do not pass the leader's. */
function areSoundEntries(message: Message & { readonly kind: 'append' }): boolean {
  const { entries, prevIndex, term: termMax } = message;
  if (!Array.isArray(entries)) return false;
  let term = message.prevTerm;
  let index = prevIndex;
  for (const entry of entries as readonly Entry[]) {
    index++;
    if (!isCount(entry.term) || entry.term < 1 || entry.index !== index) return false;
    if (entry.term < term || entry.term > termMax || !isSoundEntry(entry)) return false;
    term = entry.term;
  }
  return Number.isSafeInteger(index);
}

/**
 * Whether a message from a peer can be meant: all that can be said without our own state. Peers are untrusted; what
 * fails here is ignored.
 */
export function isSoundMessage(message: Message, self: PeerId): boolean {
  const { from, to, term } = message;
  if (!isPeer(from) || from === self || to !== self) return false;
  // The next term must be a safe integer, too.
  if (!isCount(term) || term < 1 || term >= Number.MAX_SAFE_INTEGER) return false;
  switch (message.kind) {
    case 'pre-vote':
    case 'vote':
      return (
        isPlace(message.lastIndex, message.lastTerm) &&
        message.lastTerm <= term &&
        typeof message.transfer === 'boolean'
      );
    case 'pre-vote-reply':
    case 'vote-reply':
      return typeof message.reject === 'boolean';
    case 'append':
      return (
        isPlace(message.prevIndex, message.prevTerm) &&
        message.prevTerm <= term &&
        isCount(message.commit) &&
        areSoundEntries(message)
      );
    case 'append-reply':
      return (
        isCount(message.index) &&
        isCount(message.hintIndex) &&
        isCount(message.hintTerm) &&
        typeof message.reject === 'boolean'
      );
    case 'heartbeat':
      return isCount(message.commit) && isCount(message.round);
    case 'heartbeat-reply':
      return isCount(message.round);
    case 'snapshot': {
      const { index, term: of, membership } = message.snapshot;
      return isPlace(index, of) && index > 0 && of <= term && isSoundMembership(membership);
    }
    case 'read-index':
      return isCount(message.request);
    case 'read-index-reply':
      return isCount(message.request) && isCount(message.index) && typeof message.reject === 'boolean';
    case 'timeout-now':
      return true;
    default:
      // A kind of a later version, perhaps.
      return false;
  }
}
