import type { Entry, Membership, Message, RaftStatus, Ready } from 'raft-ts';
import { BLANK_STATE } from './register-machine.ts';
import { DiskImage } from './sim-disk.ts';
import type { Observed } from './witness.ts';
import { Witness } from './witness.ts';

const MEMBERS: Membership = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [] };
const NOTHING: Ready = {
  entries: [],
  mustSync: false,
  earlyMessages: [],
  messages: [],
  committed: [],
  readStates: [],
};

function entry(index: number, term: number, text = ''): Entry {
  return { kind: 'data', index, term, data: new TextEncoder().encode(text) };
}

function status(id: number, changes: Partial<RaftStatus>): RaftStatus {
  return {
    id,
    role: 'follower',
    term: 1,
    vote: 0,
    leader: 0,
    commit: 0,
    applied: 0,
    lastIndex: 0,
    membership: MEMBERS,
    transferee: 0,
    progress: [],
    ...changes,
  };
}

/** Three nodes, whose durable logs are lists of entries. */
function scene(): { witness: Witness; logs: Entry[][]; node: (id: number) => Observed } {
  const logs: Entry[][] = [[], [], [], []];
  const image = (id: number): DiskImage =>
    new DiskImage({ term: 1, vote: 0, commit: 0 }, BLANK_STATE, { index: 0, term: 0 }, logs[id] ?? []);
  const witness = new Witness(image);
  witness.bootstrapped(BLANK_STATE);
  const node = (id: number): Observed => ({ id, logTerm: (index) => image(id).term(index), firstIndex: () => 1 });
  return { witness, logs, node };
}

describe('the witness', () => {
  it('allows one leader a term', () => {
    const { witness } = scene();
    const beat = (from: number, term: number): Message => ({
      kind: 'heartbeat',
      from,
      to: 3,
      term,
      commit: 0,
      round: 1,
    });
    witness.sent(beat(1, 2));
    witness.sent(beat(2, 3));
    expect(() => witness.sent(beat(2, 2))).toThrow(/^election safety/);
  });

  it('allows one vote a term, over restarts', () => {
    const { witness } = scene();
    const vote = (to: number, term: number): Message => ({ kind: 'vote-reply', from: 3, to, term, reject: false });
    witness.sent(vote(1, 2));
    witness.sent(vote(1, 2));
    witness.sent({ ...vote(2, 2), reject: true } as Message);
    witness.sent(vote(2, 3));
    witness.started(3, status(3, { term: 3 }));
    expect(() => witness.sent(vote(2, 2))).toThrow(/^one vote a term/);
  });

  it('counts a candidacy as a vote for oneself', () => {
    const { witness } = scene();
    witness.sent({ kind: 'vote', from: 1, to: 2, term: 2, lastIndex: 0, lastTerm: 0, transfer: false });
    expect(() => witness.sent({ kind: 'vote-reply', from: 1, to: 2, term: 2, reject: false })).toThrow(/^one vote/);
  });

  it('lets neither terms nor commits go back, nor terms over a restart', () => {
    const { witness, node } = scene();
    witness.started(1, status(1, { term: 4, commit: 2 }));
    witness.observe(node(1), status(1, { term: 4, commit: 3 }));
    expect(() => witness.observe(node(1), status(1, { term: 3, commit: 3 }))).toThrow(/^monotonic term/);
    expect(() => witness.observe(node(1), status(1, { term: 4, commit: 2 }))).toThrow(/^monotonic commit/);
    witness.sent({ kind: 'heartbeat-reply', from: 1, to: 2, term: 4, round: 1 });
    expect(() => witness.started(1, status(1, { term: 3 }))).toThrow(/^monotonic term/);
  });

  it('compares logs up to entries of the same index and term', () => {
    const { witness, logs, node } = scene();
    witness.readied(node(1), { ...NOTHING, entries: [entry(1, 1, 'a'), entry(2, 2, 'b')] });
    logs[2] = [entry(1, 1, 'a')];
    witness.readied(node(2), { ...NOTHING, entries: [entry(2, 2, 'b')] });
    expect(() => witness.readied(node(3), { ...NOTHING, entries: [entry(1, 1, 'x')] })).toThrow(/^log matching/);
    const other = { ...NOTHING, entries: [entry(1, 2, 'x'), entry(2, 2, 'b')] };
    expect(() => witness.readied(node(3), other)).toThrow(/^log matching/);
  });

  it('wants a new leader to have what was committed in earlier terms', () => {
    const { witness, logs, node } = scene();
    witness.applied(1, { ...BLANK_STATE, applied: 1, term: 2, digest: 5 }, 2);
    const leads = (term: number): Ready => ({ ...NOTHING, status: { role: 'leader', leader: 2, term } });
    witness.readied(node(2), leads(2));
    expect(() => witness.readied(node(2), leads(3))).toThrow(/^leader completeness/);
    logs[2] = [entry(1, 2)];
    witness.readied(node(2), leads(4));
    logs[2] = [entry(1, 1)];
    expect(() => witness.readied(node(2), leads(5))).toThrow(/^leader completeness/);
    // Compacted, it is part of the state.
    witness.readied({ ...node(2), firstIndex: () => 2 }, leads(5));
  });

  it('compares what nodes applied', () => {
    const { witness } = scene();
    const state = { ...BLANK_STATE, applied: 1, term: 2, digest: 5 };
    witness.applied(1, state, 2);
    witness.applied(2, state, 2);
    witness.installed(3, state);
    expect(witness.appliedMax()).toBe(1);
    expect(() => witness.applied(3, { ...state, digest: 6 }, 2)).toThrow(/^state machine safety/);
    expect(() => witness.installed(3, { ...state, digest: 6 })).toThrow(/^state machine safety/);
    expect(() => witness.installed(3, { ...state, applied: 2 })).toThrow(/^state machine safety/);
  });

  it('wants a majority to have durably what a leader commits, of both groups in a joint phase', () => {
    const { witness, logs, node } = scene();
    witness.started(1, status(1, { term: 2 }));
    const leads = (commit: number, membership = MEMBERS): RaftStatus =>
      status(1, { role: 'leader', term: 2, commit, membership });
    witness.observe(node(1), leads(0));
    logs[1] = [entry(1, 2), entry(2, 2), entry(3, 2)];
    logs[2] = [entry(1, 2)];
    witness.observe(node(1), leads(1));
    expect(() => witness.observe(node(1), leads(2))).toThrow(/^commit by quorum/);
    logs[2] = [entry(1, 2), entry(2, 2)];
    expect(() => witness.observe(node(1), leads(2, { ...MEMBERS, votersOutgoing: [1, 3] }))).toThrow(/1 of 2$/);
    logs[3] = [entry(1, 1), entry(2, 1)];
    expect(() => witness.observe(node(1), leads(2, { ...MEMBERS, votersOutgoing: [1, 3] }))).toThrow(/1 of 2$/);
    witness.observe(node(1), leads(2));
  });

  it('wants a leader to count only entries of its term', () => {
    const { witness, logs, node } = scene();
    for (const id of [1, 2, 3]) logs[id] = [entry(1, 1)];
    witness.started(1, status(1, { term: 2 }));
    witness.observe(node(1), status(1, { role: 'leader', term: 2 }));
    expect(() => witness.observe(node(1), status(1, { role: 'leader', term: 2, commit: 1 }))).toThrow(
      /^commit of own term/,
    );
  });
});
