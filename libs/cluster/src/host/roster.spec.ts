/** What is done about the members, and what is let be, on a leader that sees what the test says. */
import { silentLog, type Clock } from '@coffer/kernel';
import type { MembershipStep, PeerProgress, RaftStatus } from 'raft-ts';
import type { ForwardChannel } from '../cluster.ts';
import { decodeMemberContext, type Member, type MemberTraits } from '../disk/members.ts';
import { Roster } from './roster.ts';

const LAST_INDEX = 100;

interface Change {
  readonly steps: readonly MembershipStep[];
  readonly member: Member | undefined;
}

class World {
  nowMs = 1_000_000;
  voters = [1, 2, 3];
  learners: number[] = [];
  list: Member[];
  /** Another change is under way: none is taken. */
  busy = false;
  readonly proposed: Change[] = [];
  readonly handedTo: number[] = [];
  readonly roster: Roster;

  constructor(members: readonly (Partial<Member> & { readonly peer: number })[]) {
    this.list = members.map((member) => this.member(member));
    const clock = {
      monotonicMs: () => this.nowMs,
      nowMs: () => this.nowMs,
      after: (_ms: number, run: () => void) => {
        const timer = setImmediate(run);
        return () => clearImmediate(timer);
      },
    } as Clock;
    const forward: ForwardChannel = {
      serve: () => undefined,
      call: () => Promise.reject(new Error('nobody is there')),
    };
    this.roster = new Roster(
      {
        self: this.member({ peer: 1 }),
        tickMs: 20,
        selfPeer: () => 1,
        members: () => ({
          membership: { voters: this.voters, votersOutgoing: [], learners: this.learners, learnersNext: [] },
          list: this.list,
          nextPeer: 9,
        }),
        appliedIndex: () => LAST_INDEX,
        raftStatus: () => this.#status(),
        active: () => true,
        leaderAddress: () => undefined,
        change: (steps, context) => {
          if (this.busy) return Promise.resolve(false);
          this.proposed.push({ steps, member: decodeMemberContext(context) });
          return Promise.resolve(true);
        },
        announce: () => Promise.resolve(),
        stepDown: () => Promise.resolve(),
        handOver: (to) => {
          this.handedTo.push(to);
          return Promise.resolve();
        },
      },
      forward,
      clock,
      silentLog,
    );
  }

  member({ peer, ...rest }: Partial<Member> & { readonly peer: number }): Member {
    const nodeId = `n${peer}`;
    return {
      peer,
      nodeId,
      apiAddress: `http://${nodeId}`,
      clusterAddress: `https://${nodeId}:1`,
      promote: false,
      ...rest,
    };
  }

  async tick(): Promise<void> {
    this.roster.tend();
    await new Promise(setImmediate);
    this.nowMs += 20;
  }

  #status(): RaftStatus {
    const members = [...this.voters, ...this.learners];
    const progress = members.map((peer): PeerProgress => ({
      peer,
      match: LAST_INDEX,
      next: LAST_INDEX + 1,
      state: 'replicate',
      inflight: 0,
      recentlyActive: true,
      learner: this.learners.includes(peer),
      silentTicks: 0,
    }));
    const membership = { voters: this.voters, votersOutgoing: [], learners: this.learners, learnersNext: [] };
    const at = { commit: LAST_INDEX, applied: LAST_INDEX, lastIndex: LAST_INDEX };
    return { id: 1, role: 'leader', term: 2, vote: 1, leader: 1, transferee: 0, membership, progress, ...at };
  }
}

const v1: MemberTraits = { version: '1.0.0' };
const v2: MemberTraits = { version: '2.0.0' };
const zoned = (zone: string): MemberTraits => ({ ...v1, zone });

describe('a roster', () => {
  it('judges anew where another change was under way, and does not insist', async () => {
    const world = new World([1, 2, 3].map((peer) => ({ peer, traits: v1 })));
    world.learners = [4];
    world.list = [...world.list, world.member({ peer: 4, promote: true, traits: v1 })];
    world.busy = true;
    await world.tick();
    // The change that was under way was an operator's, who took the vote for good.
    world.list = world.list.map((member) => ({ ...member, promote: false }));
    world.busy = false;
    for (let tick = 0; tick < 5; tick++) await world.tick();
    expect(world.proposed).toEqual([]);
  });

  it('gives a vote with what the member told, and takes one so that it may come back', async () => {
    const world = new World([
      { peer: 1, traits: zoned('a') },
      { peer: 2, traits: zoned('b') },
      { peer: 3, traits: zoned('a') },
      { peer: 4, promote: true, traits: zoned('c') },
    ]);
    world.learners = [4];
    await world.tick();
    expect(world.proposed).toEqual([
      { steps: [{ kind: 'add-voter', peer: 4 }], member: world.member({ peer: 4, traits: zoned('c') }) },
    ]);
    world.voters = [1, 2, 3, 4];
    world.learners = [];
    world.list = world.list.map((member) => ({ ...member, promote: false }));
    await world.tick();
    expect(world.proposed[1]).toEqual({
      steps: [{ kind: 'add-learner', peer: 3 }],
      member: world.member({ peer: 3, promote: true, traits: zoned('a') }),
    });
  });

  it('hands the lead to a member of the newest version, and gives it time before it asks again', async () => {
    const world = new World([
      { peer: 1, traits: v1 },
      { peer: 2, traits: v2 },
      { peer: 3, traits: v2 },
    ]);
    for (let tick = 0; tick < 100; tick++) await world.tick();
    expect(world.handedTo).toEqual([2]);
    world.nowMs += 10_000;
    await world.tick();
    expect(world.handedTo).toEqual([2, 2]);
  });

  it('keeps what a member tells of itself, its vote as it is', async () => {
    const world = new World([{ peer: 1 }, { peer: 2 }, { peer: 3 }]);
    world.roster.introduce(zoned('a'));
    await world.tick();
    expect(world.proposed).toEqual([
      { steps: [{ kind: 'add-voter', peer: 1 }], member: world.member({ peer: 1, traits: zoned('a') }) },
    ]);
  });
});
