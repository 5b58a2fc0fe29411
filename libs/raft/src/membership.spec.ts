import { changeMembership, membersOf } from './membership.ts';
import type { Membership, MembershipChange, MembershipStep } from './message.ts';
import { quorumIndex, voteResult } from './quorum.ts';

const group = (
  voters: number[],
  votersOutgoing: number[] = [],
  learners: number[] = [],
  learnersNext: number[] = [],
): Membership => ({
  voters,
  votersOutgoing,
  learners,
  learnersNext,
});
const enter = (...steps: MembershipStep[]): MembershipChange => ({ kind: 'enter', steps, context: new Uint8Array() });
const voter = (peer: number): MembershipStep => ({ kind: 'add-voter', peer });
const learner = (peer: number): MembershipStep => ({ kind: 'add-learner', peer });
const remove = (peer: number): MembershipStep => ({ kind: 'remove', peer });

describe('a change of the members', () => {
  it.each([
    ['adds a voter', group([1, 3]), enter(voter(2)), group([1, 2, 3])],
    ['adds a voter that is there', group([1, 2]), enter(voter(2)), group([1, 2])],
    ['adds a learner', group([1]), enter(learner(2)), group([1], [], [2])],
    ['promotes', group([1], [], [2]), enter(voter(2)), group([1, 2])],
    ['demotes', group([1, 2]), enter(learner(2)), group([1], [], [2])],
    ['removes a voter', group([1, 2]), enter(remove(2)), group([1])],
    ['removes a learner', group([1], [], [2]), enter(remove(2)), group([1])],
    ['removes one that is not there', group([1]), enter(remove(9)), group([1])],
    ['enters a joint phase', group([1, 2]), enter(voter(3), remove(1)), group([2, 3], [1, 2])],
    ['demotes at its end', group([1, 2]), enter(voter(3), learner(1)), group([2, 3], [1, 2], [], [1])],
    ['changes its mind', group([1, 2]), enter(learner(1), voter(1)), group([1, 2], [1, 2])],
    ['leaves it', group([2, 3], [1, 2], [4], [1]), { kind: 'leave' } as const, group([2, 3], [], [1, 4])],
  ])('%s', (_what, before, change, after) => {
    expect(changeMembership(before, change)).toEqual(after);
  });

  it.each([
    ['without voters', group([1]), enter(remove(1))],
    ['only learners', group([1]), enter(learner(1))],
    ['a joint phase within another', group([1], [2]), enter(voter(3))],
    ['an end of what was not begun', group([1]), { kind: 'leave' } as const],
    ['peers that cannot be', group([1]), enter(voter(0))],
  ])('makes no sense: %s', (_what, before, change) => {
    expect(changeMembership(before, change)).toBeUndefined();
  });

  it('knows all members, once', () => {
    expect(membersOf(group([3, 1], [1, 2], [5], [2]))).toEqual([1, 2, 3, 5]);
  });
});

describe('a quorum', () => {
  it.each([
    [group([1]), [4], 4],
    [group([1, 2]), [4, 7], 4],
    [group([1, 2, 3]), [4, 9, 7], 7],
    [group([1, 2, 3, 4]), [4, 9, 7, 8], 7],
    [group([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5], 3],
    [group([1, 2, 3], [3, 4, 5]), [9, 9, 5, 1, 2], 2],
    [group([1, 2], [], [3]), [2, 3, 9], 2],
  ])('of %j with %j has reached %d', (membership, values, index) => {
    expect(quorumIndex(membership, (peer) => values[peer - 1] ?? 0)).toBe(index);
  });

  it.each([
    [group([1, 2, 3]), 'yy-', 'won'],
    [group([1, 2, 3]), 'y--', 'pending'],
    [group([1, 2, 3]), 'yn-', 'pending'],
    [group([1, 2, 3]), 'ynn', 'lost'],
    [group([1, 2, 3, 4]), 'yy--', 'pending'],
    [group([1, 2, 3, 4]), 'yynn', 'lost'],
    [group([1, 2], [2, 3, 4]), 'yy--', 'pending'],
    [group([1, 2], [2, 3, 4]), 'yy-y', 'won'],
    [group([1, 2], [2, 3, 4]), 'yynn', 'lost'],
  ])('of %j with votes %s is %s', (membership, votes, result) => {
    const vote = (peer: number): boolean | undefined => (votes[peer - 1] === '-' ? undefined : votes[peer - 1] === 'y');
    expect(voteResult(membership, vote)).toBe(result);
  });

  it('has reached what a majority has, for random values', () => {
    let state = 1;
    const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let round = 0; round < 500; round++) {
      const voters = Array.from({ length: 1 + random(7) }, (_, at) => at + 1);
      const values = voters.map(() => random(10));
      const index = quorumIndex(group(voters), (peer) => values[peer - 1] ?? 0);
      const have = (least: number): number => values.filter((value) => value >= least).length;
      expect(have(index) * 2).toBeGreaterThan(voters.length);
      expect(have(index + 1) * 2).toBeLessThanOrEqual(voters.length);
    }
  });
});
