import { AssertionFailure } from '@coffer/kernel';
import { createRaft } from './index.ts';
import type { Entry, Membership, Message } from './index.ts';
import { MemoryLog } from './transcript/memory-log.ts';
import { Solo } from './transcript/solo.ts';

function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Below = (below: number) => number;

const KINDS: readonly Message['kind'][] = [
  'pre-vote',
  'pre-vote-reply',
  'vote',
  'vote-reply',
  'append',
  'append-reply',
  'heartbeat',
  'heartbeat-reply',
  'snapshot',
  'read-index',
  'read-index-reply',
  'timeout-now',
];

function anyNumber(below: Below, near: number): number {
  const choices = [near, near + 1, near - 1, below(near + 2), 0, -1, 0.5, NaN, 2 ** 53, Infinity];
  return choices[Math.min(below(choices.length), below(choices.length))] as number;
}

function anyEntry(below: Below, term: number, index: number): Entry {
  const kind = below(8);
  if (kind > 2) return { kind: 'data', term, index, data: new Uint8Array(below(9)) };
  if (kind === 0) return { kind: 'empty', term, index };
  const steps = [0, 1, 2].slice(below(4)).map(() => ({
    kind: (['add-voter', 'add-learner', 'remove'] as const)[below(3)] as 'remove',
    peer: 1 + below(5),
  }));
  const change =
    below(3) === 0 ? { kind: 'leave' as const } : { kind: 'enter' as const, steps, context: new Uint8Array() };
  return { kind: 'membership', term, index, change };
}

/** A message that may have been said, or nearly. */
function anyMessage(below: Below, { raft }: Solo): Message {
  const { term, lastIndex, commit } = raft.status();
  const n = (near: number): number => anyNumber(below, near);
  const flag = (): boolean => below(2) === 0;
  const prevIndex = n(lastIndex);
  const prevTerm = n(term);
  const said = below(3) === 0 ? n(term) : term;
  const entries = Array.from({ length: below(4) }, (_, at) => anyEntry(below, n(said), prevIndex + 1 + at));
  const group = (): number[] => [1, 2, 3, 4].filter(flag);
  const membership: Membership = { voters: group(), votersOutgoing: [], learners: [], learnersNext: [] };
  const all = {
    kind: KINDS[below(KINDS.length)],
    from: below(6),
    to: below(20) === 0 ? 2 : 1,
    term: said,
    lastIndex: n(lastIndex),
    lastTerm: n(term),
    transfer: flag(),
    reject: flag(),
    prevIndex,
    prevTerm: below(2) === 0 ? raftTerm(raft.status().lastIndex, prevTerm) : prevTerm,
    entries,
    commit: n(commit),
    index: n(lastIndex),
    hintIndex: n(lastIndex),
    hintTerm: n(term),
    round: n(1),
    request: n(1),
    snapshot: { index: n(lastIndex + 3), term: n(term), membership },
  };
  return all as unknown as Message;
}

function raftTerm(lastIndex: number, term: number): number {
  return lastIndex === 0 ? 0 : term;
}

describe('messages of peers that lie', () => {
  it('never break an invariant, whatever the role', () => {
    const roles = new Map<string, number>();
    for (let seed = 1; seed <= 60; seed++) {
      const below = seeded(seed);
      const solo = new Solo({ config: { random: below } });
      for (let round = 0; round < 400; round++) {
        solo.raft.step(anyMessage(below, solo));
        const deed = below(12);
        if (deed === 0) solo.raft.tick();
        if (deed === 1) solo.raft.propose([new Uint8Array(3)]);
        if (deed === 2) solo.raft.readIndex(round);
        if (deed === 3) solo.raft.campaign();
        if (deed === 4) solo.raft.transferLeadership(2);
        if (deed > 5) solo.drain();
        const { role, commit, applied, lastIndex } = solo.raft.status();
        roles.set(role, (roles.get(role) ?? 0) + 1);
        expect(applied).toBeLessThanOrEqual(commit);
        expect(commit).toBeLessThanOrEqual(lastIndex);
      }
    }
    for (const role of ['follower', 'pre-candidate', 'candidate', 'leader']) {
      expect(roles.get(role) ?? 0).toBeGreaterThan(100);
    }
  });
});

describe('a host that errs', () => {
  const membership: Membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
  const config = {
    id: 1,
    electionTicks: 10,
    heartbeatTicks: 1,
    appendBytesMax: 100,
    inflightMax: 1,
    uncommittedBytesMax: 100,
    random: (): number => 0,
  };
  const hardState = { term: 0, vote: 0, commit: 0 };

  it.each([
    ['id 0', { ...config, id: 0 }],
    ['no time for heartbeats', { ...config, electionTicks: 1 }],
  ])('is told: %s', (_what, wrong) => {
    expect(() => createRaft(wrong, { hardState, membership, applied: 0 }, new MemoryLog())).toThrow(AssertionFailure);
  });

  it.each([
    [
      'a log that ends before what was committed',
      { hardState: { term: 1, vote: 0, commit: 3 }, membership, applied: 0 },
    ],
    ['a log that ends before what was applied', { hardState, membership, applied: 3 }],
  ])('is told: %s', (_what, restored) => {
    expect(() => createRaft(config, restored, new MemoryLog())).toThrow(/the log reaches/u);
  });

  it('is told: a Ready before the last was done, and one that was done twice', () => {
    const solo = new Solo({ voters: [1] });
    solo.raft.campaign();
    solo.raft.ready();
    expect(() => solo.raft.ready()).toThrow(/after the last one was done/u);
    solo.raft.advance();
    expect(() => solo.raft.advance()).toThrow(/done once/u);
  });

  it('is told: applied what was not handed out', () => {
    const solo = new Solo({ voters: [1] });
    expect(() => solo.raft.appliedTo(1)).toThrow(/handed out/u);
  });

  it('is told: a change applied before the group was known', () => {
    const solo = new Solo({ voters: [] });
    const change = { kind: 'enter' as const, steps: [], context: new Uint8Array() };
    expect(() => solo.raft.applyMembership(change)).toThrow(/group that is known/u);
  });
});
