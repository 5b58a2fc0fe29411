/** Orders of events that seldom meet, and that are wrong to get wrong. */
import type { Membership, Message } from './index.ts';
import { Solo } from './transcript/solo.ts';
import type { Said } from './transcript/solo.ts';

const matched = (index: number): Said => ({
  kind: 'append-reply',
  term: 1,
  index,
  reject: false,
  hintIndex: 0,
  hintTerm: 0,
});
const confirms = (round: number): Said => ({ kind: 'heartbeat-reply', term: 1, round });

function leader(voters: readonly number[] = [1, 2, 3]): Solo {
  const solo = new Solo({ voters });
  solo.becomeLeader();
  for (const peer of voters.slice(1)) solo.hear(peer, matched(1));
  return solo;
}

describe('elections', () => {
  it('a vote for itself does not count while an earlier write is all that was done', () => {
    const solo = new Solo({ voters: [1], term: 1 });
    solo.raft.step({ kind: 'heartbeat', from: 2, to: 1, term: 2, commit: 0, round: 0 });
    solo.raft.ready();
    solo.raft.campaign();
    solo.raft.advance();
    expect(solo.raft.status()).toMatchObject({ role: 'candidate', term: 3 });
    solo.drain();
    expect(solo.raft.status()).toMatchObject({ role: 'leader', term: 3 });
  });

  it('an answer stands as it was first given', () => {
    const solo = new Solo({});
    solo.raft.campaign();
    solo.drain();
    solo.hear(2, { kind: 'pre-vote-reply', term: 1, reject: false });
    solo.hear(2, { kind: 'vote-reply', term: 1, reject: true });
    solo.hear(2, { kind: 'vote-reply', term: 1, reject: false });
    expect(solo.raft.status().role).toBe('candidate');
  });

  it('a node that has not applied a committed change does not campaign: its majority may be the wrong one', () => {
    const solo = new Solo({});
    const change = { kind: 'enter' as const, steps: [{ kind: 'remove' as const, peer: 3 }], context: new Uint8Array() };
    const entries = [{ kind: 'membership' as const, term: 1, index: 1, change }];
    solo.raft.step({ kind: 'append', from: 2, to: 1, term: 1, prevIndex: 0, prevTerm: 0, entries, commit: 1 });
    const ready = solo.raft.ready();
    solo.log.append(ready.entries);
    expect(ready.committed).toEqual(entries);
    solo.raft.advance();
    solo.raft.campaign();
    expect(solo.raft.status().role).toBe('follower');
    solo.raft.applyMembership(change);
    solo.raft.appliedTo(1);
    solo.raft.campaign();
    expect(solo.raft.status().role).toBe('pre-candidate');
  });
});

describe('reads', () => {
  it('an answer to a round that was not begun confirms nothing later', () => {
    const solo = leader([1, 2, 3, 4, 5]);
    solo.hear(2, confirms(99));
    solo.raft.readIndex(1);
    solo.drain();
    solo.hear(3, confirms(1));
    expect(solo.states).toEqual([]);
    solo.hear(4, confirms(1));
    expect(solo.states).toEqual([{ request: 1, index: 1 }]);
  });

  it('a round confirms its own reads and those before, not those after', () => {
    const solo = leader();
    solo.raft.readIndex(1);
    solo.drain();
    solo.raft.readIndex(2);
    solo.drain();
    solo.hear(2, confirms(1));
    expect(solo.states).toEqual([{ request: 1, index: 1 }]);
    solo.hear(2, confirms(2));
    expect(solo.states).toHaveLength(2);
  });

  it('a later round confirms what an earlier one, that was lost, did not', () => {
    const solo = leader();
    solo.raft.readIndex(1);
    solo.drain();
    solo.raft.readIndex(2);
    solo.drain();
    solo.hear(2, confirms(2));
    expect(solo.states.map((state) => state?.request)).toEqual([1, 2]);
  });

  it('only the leader answers what it was asked', () => {
    const solo = new Solo({ term: 1, config: { random: () => 0 } });
    solo.hear(2, { kind: 'heartbeat', term: 1, commit: 0, round: 0 });
    solo.raft.readIndex(1);
    solo.drain();
    solo.hear(3, { kind: 'read-index-reply', term: 1, request: 1, index: 0, reject: false });
    expect(solo.states).toEqual([]);
    solo.hear(2, { kind: 'read-index-reply', term: 1, request: 1, index: 0, reject: false });
    expect(solo.states).toEqual([{ request: 1, index: 0 }]);
  });

  it('the index is that of the asking, and numbers of an earlier life are not mistaken for this one’s', () => {
    const numbers = [5, 700].map((start) => {
      const solo = new Solo({ term: 1, config: { random: (below) => (below > 1000 ? start : 0) } });
      solo.hear(2, { kind: 'heartbeat', term: 1, commit: 0, round: 0 });
      solo.raft.readIndex(1);
      const asked = solo
        .drain()
        .find((message): message is Message & { kind: 'read-index' } => message.kind === 'read-index');
      solo.hear(2, { kind: 'read-index-reply', term: 1, request: 6, index: 0, reject: false });
      return [asked?.request, solo.states.length];
    });
    expect(numbers).toEqual([
      [6, 1],
      [701, 0],
    ]);
  });
});

describe('members', () => {
  it('a leader that was removed leads until a majority of those that stay knows it', () => {
    const solo = leader([1, 2, 3, 4]);
    solo.raft.proposeMembership({ kind: 'enter', steps: [{ kind: 'remove', peer: 1 }], context: new Uint8Array() });
    solo.drain();
    solo.hear(2, matched(2));
    solo.hear(3, matched(2));
    expect(solo.raft.status()).toMatchObject({ role: 'leader', membership: { voters: [2, 3, 4] } });
    const { round } = solo
      .tick(1)
      .find((message): message is Message & { kind: 'heartbeat' } => message.kind === 'heartbeat') ?? {
      round: 0,
    };
    solo.hear(2, confirms(round));
    expect(solo.raft.status().role).toBe('leader');
    // It has not got the change, so it cannot know that it was committed.
    solo.hear(4, confirms(round));
    expect(solo.raft.status().role).toBe('leader');
    expect(solo.hear(3, confirms(round))).toMatchObject([{ kind: 'timeout-now', to: 2 }]);
    expect(solo.raft.status()).toMatchObject({ role: 'follower', leader: 0 });
  });
});

describe('members and a new leader', () => {
  it('no change is taken before an entry of its own term is committed, even if all before is applied', () => {
    const solo = new Solo({ terms: [1], commit: 1 });
    solo.drain();
    solo.becomeLeader();
    expect(solo.raft.status()).toMatchObject({ term: 2, applied: 1, lastIndex: 2 });
    const change = { kind: 'enter' as const, steps: [{ kind: 'remove' as const, peer: 3 }], context: new Uint8Array() };
    expect(solo.raft.proposeMembership(change)).toEqual({ accepted: false, reason: 'change-pending' });
    solo.hear(2, { ...matched(2), term: 2 });
    expect(solo.raft.proposeMembership(change)).toEqual({ accepted: true, index: 3, term: 2 });
  });
});

describe('a second leader of the term', () => {
  it('is ignored and told of, once', () => {
    const solo = leader();
    solo.raft.step({ kind: 'heartbeat', from: 3, to: 1, term: 1, commit: 0, round: 0 });
    expect(solo.raft.hasReady()).toBe(true);
    expect(solo.raft.ready()).toMatchObject({ rival: 3, messages: [], earlyMessages: [] });
    solo.raft.advance();
    solo.raft.step({ kind: 'heartbeat', from: 3, to: 1, term: 1, commit: 0, round: 0 });
    expect(solo.raft.hasReady()).toBe(false);
    expect(solo.raft.status()).toMatchObject({ role: 'leader', leader: 1 });
  });
});

describe('a follower that lost what it had acknowledged', () => {
  it('is asked again with the heartbeats, not as fast as it refuses', () => {
    const solo = leader();
    solo.raft.reportUnreachable(2);
    const appends = (sent: readonly Message[]): Message[] =>
      sent.filter(({ kind, to }) => kind === 'append' && to === 2);
    expect(appends(solo.hear(2, confirms(0)))).toHaveLength(1);
    const refusal: Said = { kind: 'append-reply', term: 1, index: 1, reject: true, hintIndex: 0, hintTerm: 0 };
    expect(solo.hear(2, refusal)).toEqual([]);
    expect(appends(solo.hear(2, confirms(0)))).toHaveLength(1);
    expect(solo.raft.status().progress[1]).toMatchObject({ match: 1, next: 2 });
  });
});

describe('the log', () => {
  it('a leader that would replace what is committed is told what is, and replaces nothing', () => {
    const solo = new Solo({ terms: [1, 1], commit: 2, term: 3 });
    solo.drain();
    const entries = [{ kind: 'empty' as const, term: 2, index: 2 }];
    const sent = solo.hear(2, { kind: 'append', term: 3, prevIndex: 1, prevTerm: 1, entries, commit: 2 });
    expect(sent).toMatchObject([{ kind: 'append-reply', index: 2, reject: false }]);
    expect(solo.terms()).toEqual([1, 1]);
  });
});

describe('snapshots', () => {
  it('a node that knows no group takes no log in the place of one', () => {
    const solo = new Solo({ id: 2, voters: [] });
    const change = {
      kind: 'enter' as const,
      steps: [{ kind: 'add-voter' as const, peer: 2 }],
      context: new Uint8Array(),
    };
    const entries = [{ kind: 'membership' as const, term: 1, index: 1, change }];
    solo.hear(1, { kind: 'append', term: 1, prevIndex: 0, prevTerm: 0, entries, commit: 1 });
    expect(solo.raft.status()).toMatchObject({ lastIndex: 0, commit: 0, membership: { voters: [] }, leader: 1 });
  });

  it('nothing is handed out to apply together with one that replaces it', () => {
    const solo = new Solo({ id: 2, terms: [1, 1] });
    const membership: Membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
    const said = { from: 1, to: 2, term: 1 };
    solo.raft.step({ ...said, kind: 'heartbeat', commit: 2, round: 0 });
    solo.raft.step({ ...said, kind: 'snapshot', snapshot: { index: 5, term: 1, membership } });
    const ready = solo.raft.ready();
    expect(ready).toMatchObject({ committed: [], snapshot: { from: 1, meta: { index: 5 } } });
    solo.raft.advance();
    expect(solo.raft.hasReady()).toBe(false);
    solo.raft.snapshotFailed();
    expect(solo.raft.ready().committed.map(({ index }) => index)).toEqual([1, 2]);
  });

  it('may be installed before the Ready that offered it is done', () => {
    const solo = new Solo({ id: 2, terms: [1] });
    const membership: Membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
    const said = { from: 1, to: 2, term: 1 };
    const entries = [{ kind: 'empty' as const, term: 1, index: 2 }];
    solo.raft.step({ ...said, kind: 'append', prevIndex: 1, prevTerm: 1, entries, commit: 0 });
    solo.raft.step({ ...said, kind: 'snapshot', snapshot: { index: 5, term: 1, membership } });
    const ready = solo.raft.ready();
    solo.log.append(ready.entries);
    solo.log.install({ index: 5, term: 1, membership });
    solo.raft.snapshotInstalled({ index: 5, term: 1, membership });
    solo.raft.advance();
    expect(solo.raft.status()).toMatchObject({ lastIndex: 5, commit: 5, applied: 5 });
    const next = [{ kind: 'empty' as const, term: 1, index: 6 }];
    const sent = solo.hear(1, { kind: 'append', term: 1, prevIndex: 5, prevTerm: 1, entries: next, commit: 6 });
    expect(sent).toContainEqual(expect.objectContaining({ kind: 'append-reply', index: 6, reject: false }));
    expect(solo.applied).toBe(6);
  });

  it('one is fetched at a time', () => {
    const solo = new Solo({ id: 2 });
    const membership: Membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
    const offer = (index: number): Message => ({
      kind: 'snapshot',
      from: 1,
      to: 2,
      term: 1,
      snapshot: { index, term: 1, membership },
    });
    solo.raft.step(offer(5));
    expect(solo.raft.ready().snapshot?.meta.index).toBe(5);
    solo.raft.advance();
    solo.raft.step(offer(9));
    expect(solo.raft.hasReady()).toBe(false);
    solo.raft.snapshotFailed();
    solo.raft.step(offer(9));
    expect(solo.raft.ready().snapshot?.meta.index).toBe(9);
  });
});
