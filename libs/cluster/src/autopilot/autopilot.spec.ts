import type { Clock } from '@coffer/kernel';
import { AUTOPILOT_DEFAULTS, type AutopilotSettings } from '@coffer/storage';
import type { PeerProgress, RaftStatus } from 'raft-ts';
import type { Members, MemberTraits } from '../disk/members.ts';
import { Autopilot } from './autopilot.ts';

const TICK_MS = 20;

/** A member by its number, which is its name, too: `n1`. */
interface Peer {
  readonly peer: number;
  readonly voter?: boolean;
  readonly promote?: boolean;
  readonly silentMs?: number;
  readonly behind?: number;
}

/** A leader (number 1) that sees what the test says. */
class World {
  nowMs = 1_000_000;
  term = 5;
  role: RaftStatus['role'] = 'leader';
  peers: readonly Peer[] = [];
  nextPeer = 9;
  readonly traits = new Map<string, MemberTraits>();
  readonly autopilot: Autopilot;

  constructor(...peers: readonly Peer[]) {
    this.peers = peers;
    const clock = { monotonicMs: () => this.nowMs, nowMs: () => 1_700_000_000_000 + this.nowMs } as Clock;
    this.autopilot = new Autopilot(
      {
        members: () => this.members(),
        raftStatus: () => this.status(),
        traits: ({ nodeId }) => this.traits.get(nodeId),
        tickMs: TICK_MS,
      },
      clock,
    );
  }

  configure(config: Partial<AutopilotSettings>): void {
    this.autopilot.configure({ ...AUTOPILOT_DEFAULTS, ...config });
  }

  /** Leads for so long that stabilisation counts. */
  watchLong(): void {
    this.autopilot.next();
    this.pass(60_000);
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  promoted(): string | undefined {
    return this.#due('promote');
  }

  removed(): string | undefined {
    return this.#due('remove');
  }

  #due(kind: 'promote' | 'remove'): string | undefined {
    const action = this.autopilot.next();
    return action?.kind === kind ? action.server.member.nodeId : undefined;
  }

  members(): Members {
    const numbers = (voter: boolean): number[] =>
      this.peers.filter((peer) => (peer.voter ?? true) === voter).map(({ peer }) => peer);
    return {
      membership: { voters: numbers(true), votersOutgoing: [], learners: numbers(false), learnersNext: [] },
      list: this.peers.map(({ peer, promote = false }) => ({
        peer,
        nodeId: `n${peer}`,
        apiAddress: `http://n${peer}:8200`,
        clusterAddress: `https://n${peer}:8201`,
        promote,
      })),
      nextPeer: this.nextPeer,
    };
  }

  status(): RaftStatus {
    const lastIndex = 10_000;
    const progress = this.peers.map(({ peer, voter = true, silentMs = 0, behind = 0 }): PeerProgress => ({
      peer,
      match: lastIndex - behind,
      next: lastIndex + 1,
      state: 'replicate',
      inflight: 0,
      recentlyActive: silentMs < 300,
      learner: !voter,
      silentTicks: peer === 1 ? 0 : silentMs / TICK_MS,
    }));
    const { membership } = this.members();
    const { role, term } = this;
    const base = { id: 1, role, term, vote: 1, leader: 1, commit: lastIndex, applied: lastIndex, transferee: 0 };
    return { ...base, lastIndex, membership, progress: role === 'leader' ? progress : [] };
  }
}

describe('autopilot tells', () => {
  it('who is well, and how many can be lost', () => {
    const world = new World({ peer: 1 }, { peer: 2 }, { peer: 3, silentMs: 10_020 }, { peer: 4, voter: false });
    world.traits.set('n2', { version: '1.2' });
    const state = world.autopilot.state();
    expect(state).toMatchObject({ healthy: false, failureTolerance: 0, leader: 'n1', voters: ['n1', 'n2', 'n3'] });
    expect(state?.nonVoters).toEqual(['n4']);
    expect(state?.servers.map(({ healthy }) => healthy)).toEqual([true, true, false, true]);
    expect(state?.servers[2]).toMatchObject({ lastContactMs: 10_020, alive: true, address: 'n3:8201' });
    expect(state?.servers.map(({ version }) => version)).toEqual([undefined, '1.2', undefined, undefined]);
    world.peers = [{ peer: 1 }, { peer: 2 }, { peer: 3 }];
    expect(world.autopilot.state()).toMatchObject({ healthy: true, failureTolerance: 1 });
  });

  it.each([
    ['silent', { silentMs: 10_020 }],
    ['behind', { behind: 1001 }],
    ['never heard', { behind: 10_000 }],
  ])('a member that is %s as unhealthy, and since when', (_, how) => {
    const world = new World({ peer: 1 }, { peer: 2 });
    const before = world.autopilot.state()?.servers[1]?.stableSinceMs;
    world.pass(5000);
    expect(world.autopilot.state()?.servers[1]).toMatchObject({ healthy: true, stableSinceMs: before });
    world.peers = [{ peer: 1 }, { peer: 2, ...how }];
    expect(world.autopilot.state()?.servers[1]).toMatchObject({ healthy: false, stableSinceMs: (before ?? 0) + 5000 });
  });

  it('a member that is silent for long as dead', () => {
    const world = new World({ peer: 1 }, { peer: 2, silentMs: 24 * 3_600_000 });
    expect(world.autopilot.state()?.servers[1]?.alive).toBe(false);
  });

  it('nothing on a node that does not lead', () => {
    const world = new World({ peer: 1 }, { peer: 2 });
    world.role = 'follower';
    expect(world.autopilot.state()).toBeUndefined();
  });
});

describe('autopilot gives votes', () => {
  const three = [{ peer: 1 }, { peer: 2 }, { peer: 3 }];

  it('to a learner that was healthy for the stabilisation time', () => {
    const world = new World(...three);
    world.watchLong();
    world.peers = [...three, { peer: 4, voter: false, promote: true }];
    expect(world.promoted()).toBeUndefined();
    world.pass(9999);
    expect(world.promoted()).toBeUndefined();
    world.pass(1);
    expect(world.promoted()).toBe('n4');
  });

  it('not to one that fell ill in between: its time begins anew', () => {
    const world = new World(...three);
    world.watchLong();
    world.peers = [...three, { peer: 4, voter: false, promote: true }];
    world.promoted();
    world.pass(9000);
    world.peers = [...three, { peer: 4, voter: false, promote: true, behind: 5000 }];
    expect(world.promoted()).toBeUndefined();
    world.peers = [...three, { peer: 4, voter: false, promote: true }];
    world.promoted();
    world.pass(9999);
    expect(world.promoted()).toBeUndefined();
    world.pass(1);
    expect(world.promoted()).toBe('n4');
  });

  it('at once while the leader is new, and in a cluster that is being built', () => {
    const fresh = new World(...three, { peer: 4, voter: false, promote: true });
    expect(fresh.promoted()).toBe('n4');
    const building = new World({ peer: 1 });
    building.nextPeer = 3;
    building.watchLong();
    building.peers = [{ peer: 1 }, { peer: 2, voter: false, promote: true }];
    expect(building.promoted()).toBe('n2');
    // One of three that comes again has a fourth number: it is no founder.
    building.nextPeer = 5;
    building.peers = [{ peer: 1 }, { peer: 2 }, { peer: 4, voter: false, promote: true }];
    expect(building.promoted()).toBeUndefined();
  });

  it('not to a new term’s learner by what an earlier term saw', () => {
    const world = new World(...three, { peer: 4, voter: false, promote: true });
    world.configure({ serverStabilizationSeconds: 100 });
    world.watchLong();
    world.pass(60_000);
    world.term = 6;
    expect(world.promoted()).toBe('n4');
    world.pass(110_000);
    expect(world.promoted()).toBe('n4');
  });

  it.each([
    ['is to have none', { promote: false }],
    ['is far behind', { behind: 257 }],
    ['is silent now', { silentMs: 300 }],
  ])('not to a learner that %s', (_, how) => {
    expect(new World(...three, { peer: 4, voter: false, promote: true, ...how }).promoted()).toBeUndefined();
  });
});

describe('autopilot removes the dead', () => {
  const dead = { silentMs: 60_000 };
  const config = { cleanupDeadServers: true, deadServerLastContactThresholdSeconds: 60, minQuorum: 3 };
  const world = (peers: readonly Peer[], changes: Partial<AutopilotSettings> = {}): World => {
    const made = new World(...peers);
    made.configure({ ...config, ...changes });
    return made;
  };
  const five = [{ peer: 1 }, { peer: 2 }, { peer: 3 }, { peer: 4 }, { peer: 5 }];
  const fiveWith = (...lost: number[]): Peer[] =>
    five.map((each) => (lost.includes(each.peer) ? { ...each, ...dead } : each));

  it('only where it is told to', () => {
    expect(world(fiveWith(5)).removed()).toBe('n5');
    expect(world(fiveWith(5), { cleanupDeadServers: false }).removed()).toBeUndefined();
    expect(world(fiveWith(5), { deadServerLastContactThresholdSeconds: 60.02 }).removed()).toBeUndefined();
  });

  it('never so that fewer voters than the minimum are left', () => {
    expect(world(fiveWith(5), { minQuorum: 4 }).removed()).toBe('n5');
    expect(world(fiveWith(5), { minQuorum: 5 }).removed()).toBeUndefined();
  });

  it('one after the other, and not while most voters are gone', () => {
    expect(world(fiveWith(4, 5)).removed()).toBe('n4');
    expect(world(fiveWith(3, 4, 5)).removed()).toBeUndefined();
    const sick = fiveWith(5).map((each) => (each.peer > 2 && each.peer < 5 ? { ...each, silentMs: 20_000 } : each));
    expect(world(sick).removed()).toBeUndefined();
  });

  it('those without a vote first, whatever the minimum', () => {
    const peers = [...fiveWith(5), { peer: 6, voter: false, ...dead }];
    expect(world(peers).removed()).toBe('n6');
    expect(world(peers, { minQuorum: 5 }).removed()).toBe('n6');
  });
});
