import { assert } from '@coffer/kernel';
import { createRaft } from '../raft-core.ts';
import type { Entry, HardState, LogIndex, Membership, Message, PeerId, Term } from '../message.ts';
import type { Raft, RaftConfig } from '../raft.ts';
import { MemoryLog } from './memory-log.ts';

export interface SoloSettings {
  readonly id?: PeerId;
  readonly voters?: readonly PeerId[];
  readonly learners?: readonly PeerId[];
  /** The terms of the entries in the log, from index 1 on. */
  readonly terms?: readonly Term[];
  readonly term?: Term;
  readonly vote?: PeerId;
  readonly commit?: LogIndex;
  readonly config?: Partial<RaftConfig>;
}

/** The body of a message, without who sends it to whom. */
export type Said<M = Message> = M extends Message ? Omit<M, 'from' | 'to'> : never;

export function entriesOf(terms: readonly Term[], first: LogIndex): Entry[] {
  return terms.map((term, at) => ({ kind: 'empty', term, index: first + at }));
}

/** One core whose peers are played by the test. */
export class Solo {
  readonly id: PeerId;
  readonly log = new MemoryLog();
  readonly raft: Raft;
  hardState: HardState;
  applied: LogIndex = 0;
  readonly states: ({ request: number; index?: number; failed?: true } | undefined)[] = [];

  constructor({
    id = 1,
    voters = [1, 2, 3],
    learners = [],
    terms = [],
    term,
    vote = 0,
    commit = 0,
    config = {},
  }: SoloSettings) {
    this.id = id;
    this.log.append(entriesOf(terms, 1));
    this.hardState = { term: term ?? terms.at(-1) ?? 0, vote, commit };
    const membership: Membership = { voters, votersOutgoing: [], learners, learnersNext: [] };
    this.raft = createRaft(
      {
        id,
        electionTicks: 10,
        heartbeatTicks: 1,
        appendBytesMax: 1 << 20,
        inflightMax: 64,
        uncommittedBytesMax: 1 << 20,
        random: () => 0,
        ...config,
      },
      { hardState: this.hardState, membership, applied: 0 },
      this.log,
    );
  }

  /** Does all that is to be done, and gives what is to be sent. */
  drain(): Message[] {
    const sent: Message[] = [];
    for (let rounds = 0; this.raft.hasReady(); rounds++) {
      assert(rounds < 1000, 'test: it never comes to rest');
      const ready = this.raft.ready();
      this.log.append(ready.entries);
      if (ready.hardState !== undefined) this.hardState = ready.hardState;
      sent.push(...ready.earlyMessages, ...ready.messages);
      this.states.push(...ready.readStates);
      for (const entry of ready.committed) {
        this.applied = entry.index;
        if (entry.kind === 'membership') this.raft.applyMembership(entry.change);
        this.raft.appliedTo(entry.index);
      }
      if (ready.snapshot !== undefined) {
        const { meta } = ready.snapshot;
        this.raft.advance();
        this.log.install(meta);
        this.applied = meta.index;
        this.raft.snapshotInstalled(meta);
      } else {
        this.raft.advance();
      }
    }
    return sent;
  }

  /** A peer says something; what comes of it. */
  hear(from: PeerId, said: Said): Message[] {
    this.raft.step({ ...said, from, to: this.id } as Message);
    return this.drain();
  }

  tick(count: number): Message[] {
    const sent: Message[] = [];
    for (let left = count; left > 0; left--) {
      this.raft.tick();
      sent.push(...this.drain());
    }
    return sent;
  }

  /** Lets everybody else agree to it. */
  becomeLeader(): Message[] {
    this.raft.campaign();
    this.drain();
    const voters = this.raft.status().membership.voters.filter((peer) => peer !== this.id);
    for (const peer of voters)
      this.hear(peer, { kind: 'pre-vote-reply', term: this.raft.status().term + 1, reject: false });
    const sent: Message[] = [];
    for (const peer of voters)
      sent.push(...this.hear(peer, { kind: 'vote-reply', term: this.raft.status().term, reject: false }));
    assert(this.raft.status().role === 'leader', 'test: it was elected');
    return sent;
  }

  terms(): Term[] {
    return this.log.all().map(({ term }) => term);
  }
}
