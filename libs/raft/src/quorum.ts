import type { Membership, PeerId } from './message.ts';

export type VoteResult = 'won' | 'lost' | 'pending';

function groupIndex(group: readonly PeerId[], value: (peer: PeerId) => number): number {
  // A group without members agrees to everything: the other one decides.
  if (group.length === 0) return Number.MAX_SAFE_INTEGER;
  if (group.length === 1) return value(group[0] as PeerId);
  const values = group.map(value).sort((a, b) => b - a);
  return values[group.length >>> 1] as number;
}

/**
 * The largest number that a majority of each group of voters has reached (thesis, section 4.3 for joint consensus).
 * `value` is called once per voter and group.
 */
export function quorumIndex(membership: Membership, value: (peer: PeerId) => number): number {
  return Math.min(groupIndex(membership.voters, value), groupIndex(membership.votersOutgoing, value));
}

function groupResult(group: readonly PeerId[], vote: (peer: PeerId) => boolean | undefined): VoteResult {
  if (group.length === 0) return 'won';
  let yes = 0;
  let no = 0;
  for (const peer of group) {
    const answer = vote(peer);
    if (answer === true) yes++;
    else if (answer === false) no++;
  }
  const majority = (group.length >>> 1) + 1;
  if (yes >= majority) return 'won';
  return group.length - no < majority ? 'lost' : 'pending';
}

/** What the votes so far come to; undefined is a vote that has not come in. */
export function voteResult(membership: Membership, vote: (peer: PeerId) => boolean | undefined): VoteResult {
  const incoming = groupResult(membership.voters, vote);
  const outgoing = groupResult(membership.votersOutgoing, vote);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}
