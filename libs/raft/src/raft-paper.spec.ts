/**
 * What "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout 2014; "section") and Ongaro's
 * dissertation ("thesis") ask for, one test a sentence.
 */
import type { Entry, Message } from './index.ts';
import { Solo, entriesOf } from './transcript/solo.ts';
import type { Said } from './transcript/solo.ts';

const heartbeat = (term: number): Said => ({ kind: 'heartbeat', term, commit: 0, round: 0 });
const voteReply = (term: number, reject = false): Said => ({ kind: 'vote-reply', term, reject });
const vote = (term: number, lastIndex: number, lastTerm: number, transfer = false): Said => ({
  kind: 'vote',
  term,
  lastIndex,
  lastTerm,
  transfer,
});
const append = (term: number, prev: readonly [number, number], terms: readonly number[], commit = 0): Said => ({
  kind: 'append',
  term,
  prevTerm: prev[0],
  prevIndex: prev[1],
  entries: entriesOf(terms, prev[1] + 1),
  commit,
});
const matched = (term: number, index: number): Said => ({
  kind: 'append-reply',
  term,
  index,
  reject: false,
  hintIndex: 0,
  hintTerm: 0,
});

function ofKind<K extends Message['kind']>(messages: readonly Message[], kind: K): (Message & { kind: K })[] {
  return messages.filter((message): message is Message & { kind: K } => message.kind === kind);
}

function candidate(settings: ConstructorParameters<typeof Solo>[0] = {}): Solo {
  const solo = new Solo(settings);
  solo.raft.campaign();
  solo.drain();
  const { term } = solo.raft.status();
  for (const peer of [2, 3, 4, 5]) solo.hear(peer, { kind: 'pre-vote-reply', term: term + 1, reject: false });
  return solo;
}

function leader(settings: ConstructorParameters<typeof Solo>[0] = {}): Solo {
  const solo = new Solo(settings);
  solo.becomeLeader();
  return solo;
}

describe('section 5.1: terms', () => {
  it.each([
    ['follower', () => new Solo({ term: 1 })],
    ['candidate', () => candidate({ term: 0 })],
    ['leader', () => leader({ term: 0 })],
  ] as const)('a %s adopts a larger term and becomes a follower', (_role, make) => {
    const solo = make();
    solo.hear(2, append(7, [0, 0], []));
    expect(solo.raft.status()).toMatchObject({ role: 'follower', term: 7, leader: 2 });
    expect(solo.hardState.term).toBe(7);
  });

  it('refuses requests of an earlier term, and tells its own', () => {
    const solo = new Solo({ term: 5 });
    expect(solo.hear(2, append(4, [0, 0], [4]))).toMatchObject([{ kind: 'append-reply', to: 2, term: 5 }]);
    expect(solo.hear(2, vote(4, 9, 4))).toMatchObject([{ kind: 'vote-reply', term: 5, reject: true }]);
    expect(solo.raft.status()).toMatchObject({ lastIndex: 0, vote: 0, leader: 0 });
  });
});

describe('section 5.2: leader election', () => {
  it('starts as a follower', () => {
    expect(new Solo({}).raft.status()).toMatchObject({ role: 'follower', leader: 0 });
  });

  it('a leader sends heartbeats to all followers, every heartbeat interval', () => {
    const solo = leader({ config: { heartbeatTicks: 3 } });
    expect(ofKind(solo.tick(2), 'heartbeat')).toEqual([]);
    expect(ofKind(solo.tick(1), 'heartbeat').map(({ to }) => to)).toEqual([2, 3]);
  });

  it('a follower that hears nothing for an election timeout campaigns: with a new term, a vote for itself, and requests', () => {
    const solo = new Solo({ term: 1, config: { electionTicks: 4 } });
    expect(solo.tick(3)).toEqual([]);
    expect(ofKind(solo.tick(1), 'pre-vote').map(({ to, term }) => [to, term])).toEqual([
      [2, 2],
      [3, 2],
    ]);
    const sent = solo.hear(2, { kind: 'pre-vote-reply', term: 2, reject: false });
    expect(ofKind(sent, 'vote').map(({ to, term }) => [to, term])).toEqual([
      [2, 2],
      [3, 2],
    ]);
    expect(solo.raft.status()).toMatchObject({ role: 'candidate', term: 2, vote: 1 });
  });

  it('a follower that hears its leader does not', () => {
    const solo = new Solo({ term: 1, config: { electionTicks: 4 } });
    for (let round = 0; round < 10; round++) {
      solo.tick(3);
      solo.hear(2, heartbeat(1));
    }
    expect(solo.raft.status()).toMatchObject({ role: 'follower', leader: 2 });
  });

  it.each([
    [[1], [], 'leader'],
    [[1, 2, 3], [2], 'leader'],
    [[1, 2, 3, 4, 5], [2, 3], 'leader'],
    [[1, 2, 3, 4, 5], [2], 'candidate'],
    [[1, 2, 3], [], 'candidate'],
    [[1, 2, 3, 4], [2], 'candidate'],
  ] as const)('of voters %j, with votes of %j beside its own it is %s', (voters, granted, role) => {
    const solo = candidate({ voters });
    for (const peer of granted) solo.hear(peer, voteReply(1));
    expect(solo.raft.status().role).toBe(role);
  });

  it('counts a vote once, and none of those that are no voters', () => {
    const solo = candidate({ voters: [1, 2, 3, 4, 5] });
    solo.hear(2, voteReply(1));
    solo.hear(2, voteReply(1));
    solo.hear(9, voteReply(1));
    expect(solo.raft.status().role).toBe('candidate');
  });

  it('gives up when a majority refuses', () => {
    const solo = candidate();
    solo.hear(2, voteReply(1, true));
    solo.hear(3, voteReply(1, true));
    expect(solo.raft.status()).toMatchObject({ role: 'follower', term: 1 });
  });

  it('votes once a term, first come first served, also after a restart', () => {
    const solo = new Solo({ term: 1 });
    expect(solo.hear(2, vote(2, 0, 0))).toMatchObject([{ kind: 'vote-reply', reject: false }]);
    expect(solo.hear(3, vote(2, 0, 0))).toMatchObject([{ kind: 'vote-reply', reject: true }]);
    expect(solo.hear(2, vote(2, 0, 0))).toMatchObject([{ kind: 'vote-reply', reject: false }]);
    const again = new Solo(solo.hardState);
    expect(again.hear(3, vote(2, 0, 0))).toMatchObject([{ kind: 'vote-reply', reject: true }]);
  });

  it('sends a vote only after it is to be durable', () => {
    const solo = new Solo({ term: 1 });
    solo.raft.step({ kind: 'vote', from: 2, to: 1, term: 2, lastIndex: 0, lastTerm: 0, transfer: false });
    const ready = solo.raft.ready();
    expect(ready).toMatchObject({ hardState: { term: 2, vote: 2 }, mustSync: true, earlyMessages: [] });
    expect(ready.messages).toMatchObject([{ kind: 'vote-reply', reject: false }]);
  });

  it('a candidate that hears a leader of its term follows it', () => {
    const solo = candidate();
    solo.hear(3, append(1, [0, 0], []));
    expect(solo.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 3 });
  });

  it('a candidate whose election times out starts another, in a new term', () => {
    const solo = candidate({ config: { electionTicks: 5 } });
    expect(ofKind(solo.tick(5), 'pre-vote').map(({ term }) => term)).toEqual([2, 2]);
  });

  it('draws election timeouts from [electionTicks, 2 electionTicks), anew for each attempt', () => {
    const asked: number[] = [];
    let next = 0;
    const random = (below: number): number => {
      asked.push(below);
      return next++ % below;
    };
    const solo = new Solo({ config: { electionTicks: 10, random } });
    const waits = new Set<number>();
    for (let attempt = 0; attempt < 30; attempt++) {
      let ticks = 0;
      do ticks++;
      while (ofKind(solo.tick(1), 'pre-vote').length === 0);
      waits.add(ticks);
    }
    expect([...waits].every((ticks) => ticks >= 10 && ticks < 20)).toBe(true);
    expect(waits.size).toBeGreaterThan(3);
    expect(asked.slice(1).every((below) => below === 10)).toBe(true);
  });
});

describe('section 5.3: log replication', () => {
  it('a leader appends, and sends to all followers in parallel, with what comes before', () => {
    const solo = leader();
    solo.hear(2, matched(1, 1));
    solo.hear(3, matched(1, 1));
    expect(solo.raft.propose([Uint8Array.of(7)])).toEqual({ accepted: true, index: 2, term: 1 });
    const entry: Entry = { kind: 'data', term: 1, index: 2, data: Uint8Array.of(7) };
    expect(ofKind(solo.drain(), 'append')).toMatchObject([
      { to: 2, prevIndex: 1, prevTerm: 1, entries: [entry] },
      { to: 3, prevIndex: 1, prevTerm: 1, entries: [entry] },
    ]);
  });

  it.each([
    [[1, 2, 3], [2], 2],
    [[1, 2, 3], [], 0],
    [[1, 2, 3, 4, 5], [2, 3], 2],
    [[1, 2, 3, 4, 5], [2], 0],
    [[1, 2], [2], 2],
    [[1], [], 2],
  ] as const)('of %j, with answers of %j, commits up to %j, with all that came before', (voters, answers, commit) => {
    const solo = leader({ voters });
    solo.raft.propose([Uint8Array.of(1)]);
    solo.drain();
    for (const peer of answers) solo.hear(peer, matched(1, 2));
    expect(solo.raft.status().commit).toBe(commit);
    expect(solo.applied).toBe(commit);
  });

  it('tells the followers what is committed, and they apply it', () => {
    const solo = leader();
    expect(ofKind(solo.hear(2, matched(1, 1)), 'append')).toMatchObject([{ to: 2, commit: 1 }]);
    const follower = new Solo({ id: 2, term: 1 });
    follower.hear(1, append(1, [0, 0], [1, 1], 1));
    expect(follower.applied).toBe(1);
    follower.hear(1, append(1, [1, 2], [], 2));
    expect(follower.applied).toBe(2);
  });

  it.each([
    [[0, 0], true],
    [[1, 1], true],
    [[2, 2], true],
    [[1, 2], false],
    [[3, 3], false],
  ] as const)('a follower with terms [1, 2] takes an append after %j: %j', (prev, taken) => {
    const solo = new Solo({ terms: [1, 2], term: 3 });
    expect(solo.hear(2, append(3, prev, []))).toMatchObject([{ kind: 'append-reply', reject: !taken }]);
  });

  it.each([
    [
      [1, 1, 2],
      [1, 1],
      [2, 4],
      [1, 2, 4],
    ],
    [[1, 1, 2], [1, 2], [3], [1, 1, 3]],
    [
      [1, 1, 2],
      [2, 3],
      [4, 4],
      [1, 1, 2, 4, 4],
    ],
    [[1, 1, 2], [0, 0], [1], [1, 1, 2]],
    [[1, 1, 2], [0, 0], [3], [3]],
    [[], [0, 0], [1, 2], [1, 2]],
  ] as const)('a log of terms %j that gets, after %j, %j, has %j', (terms, prev, sent, after) => {
    const solo = new Solo({ terms, term: 4 });
    solo.hear(2, append(4, prev, sent));
    expect(solo.terms()).toEqual(after);
  });

  // Figure 7: the leader of term 8 has [1,1,1,4,4,5,5,6,6,6].
  it.each([
    ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 1, 4]],
    ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])(
    'figure 7, follower %s: its log becomes the leader’s, in at most as many steps as there are terms',
    (_name, terms) => {
      const first = new Solo({ terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6], term: 7 });
      const other = new Solo({ id: 2, terms, term: 7 });
      let messages = first.becomeLeader();
      let refused = 0;
      for (let rounds = 0; rounds < 40 && messages.length > 0; rounds++) {
        const next: Message[] = [];
        for (const message of messages) {
          if (message.to === 2) next.push(...other.hear(1, message));
          if (message.to === 1) {
            if (message.kind === 'append-reply' && message.reject) refused++;
            next.push(...first.hear(2, message));
          }
        }
        messages = next;
      }
      expect(other.terms()).toEqual([1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
      expect(first.raft.status().commit).toBe(11);
      expect(refused).toBeLessThanOrEqual(new Set(terms).size);
    },
  );

  it('an answer that comes twice, late or out of order changes nothing', () => {
    const solo = leader();
    solo.raft.propose([Uint8Array.of(1), Uint8Array.of(2)]);
    solo.drain();
    solo.hear(2, matched(1, 3));
    solo.hear(2, matched(1, 2));
    solo.hear(2, { kind: 'append-reply', term: 1, index: 1, reject: true, hintIndex: 0, hintTerm: 0 });
    expect(solo.raft.status().progress[1]).toMatchObject({ peer: 2, match: 3, next: 4, state: 'replicate' });
    expect(solo.raft.status().commit).toBe(3);
  });
});

describe('section 5.4.1: election restriction', () => {
  it.each([
    [[1, 1, 2], [2, 3], false],
    [[1, 1, 2], [2, 4], false],
    [[1, 1, 2], [3, 1], false],
    [[1, 1, 2], [2, 2], true],
    [[1, 1, 2], [1, 9], true],
    [[], [0, 0], false],
  ] as const)(
    'with terms %j, refuses a candidate whose last entry is %j: %j',
    (terms, [lastTerm, lastIndex], reject) => {
      const solo = new Solo({ terms, term: 3 });
      expect(solo.hear(2, vote(4, lastIndex, lastTerm))).toMatchObject([{ kind: 'vote-reply', reject }]);
    },
  );
});

describe('section 5.4.2: entries of earlier terms', () => {
  it('are not committed by counting, but with the first of the own term', () => {
    const solo = leader({ terms: [1, 2], term: 2 });
    solo.hear(2, matched(3, 2));
    solo.hear(3, matched(3, 2));
    expect(solo.raft.status().commit).toBe(0);
    solo.hear(2, matched(3, 3));
    expect(solo.raft.status().commit).toBe(3);
  });
});

describe('section 6 and thesis, section 4.2.3: disruption', () => {
  it('one that hears a leader neither votes nor adopts the term', () => {
    const solo = new Solo({ term: 1 });
    solo.hear(2, heartbeat(1));
    expect(solo.hear(3, vote(5, 9, 4))).toEqual([]);
    expect(solo.raft.status().term).toBe(1);
  });

  it('unless the leader wants it (thesis, section 3.10)', () => {
    const solo = new Solo({ term: 1 });
    solo.hear(2, heartbeat(1));
    expect(solo.hear(3, vote(2, 9, 1, true))).toMatchObject([{ kind: 'vote-reply', reject: false }]);
  });
});

describe('section 7: log compaction', () => {
  it('a follower takes a snapshot of what it does not have, and nothing else stays', () => {
    const solo = new Solo({ id: 2, terms: [1, 1], term: 2 });
    const membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
    const sent = solo.hear(1, { kind: 'snapshot', term: 2, snapshot: { index: 5, term: 2, membership } });
    expect(sent).toMatchObject([{ kind: 'append-reply', index: 5, reject: false }]);
    expect(solo.raft.status()).toMatchObject({ commit: 5, applied: 5, lastIndex: 5, membership });
  });
});

describe('section 8: client interaction', () => {
  it('a leader begins with an empty entry of its term', () => {
    const solo = new Solo({ terms: [1], term: 1 });
    const sent = solo.becomeLeader();
    const entries = [{ kind: 'empty', term: 2, index: 2 }];
    expect(ofKind(sent, 'append').filter(({ to }) => to === 2)).toMatchObject([{ prevIndex: 1, entries }]);
    expect(solo.log.all().at(-1)).toEqual(entries[0]);
  });

  it('reads wait for it, and for a round of heartbeats with a majority (thesis, section 6.4)', () => {
    const solo = leader();
    solo.raft.readIndex(7);
    expect(ofKind(solo.drain(), 'heartbeat')).toEqual([]);
    const sent = solo.hear(2, matched(1, 1));
    expect(ofKind(sent, 'heartbeat').map(({ round }) => round)).toEqual([1, 1]);
    expect(solo.states).toEqual([]);
    solo.hear(2, { kind: 'heartbeat-reply', term: 1, round: 0 });
    expect(solo.states).toEqual([]);
    solo.hear(2, { kind: 'heartbeat-reply', term: 1, round: 1 });
    expect(solo.states).toEqual([{ request: 7, index: 1 }]);
  });
});

describe('thesis, section 6.2: a leader without a majority', () => {
  it('steps down when an election timeout passes without word from one', () => {
    const solo = leader({ config: { electionTicks: 5 } });
    solo.tick(4);
    expect(solo.raft.status().role).toBe('leader');
    solo.tick(1);
    expect(solo.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 0 });
  });
});

describe('thesis, section 9.6: pre-vote', () => {
  it('asking changes nobody’s term, and being asked neither', () => {
    const solo = new Solo({ term: 3 });
    solo.tick(10);
    expect(solo.raft.status()).toMatchObject({ role: 'pre-candidate', term: 3, vote: 0 });
    const other = new Solo({ id: 2, term: 3 });
    const sent = other.hear(1, { kind: 'pre-vote', term: 4, lastIndex: 0, lastTerm: 0, transfer: false });
    expect(sent).toMatchObject([{ kind: 'pre-vote-reply', term: 4, reject: false }]);
    expect(other.raft.status()).toMatchObject({ term: 3, vote: 0 });
  });

  it('an answer to an earlier campaign does not count', () => {
    const solo = new Solo({ term: 3, voters: [1, 2, 3] });
    solo.hear(2, append(5, [0, 0], []));
    solo.raft.campaign();
    solo.drain();
    solo.hear(2, { kind: 'pre-vote-reply', term: 5, reject: false });
    expect(solo.raft.status().role).toBe('pre-candidate');
  });
});
