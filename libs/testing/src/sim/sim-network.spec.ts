import type { Message } from 'raft-ts';
import { EventQueue } from './event-queue.ts';
import type { NetworkPlan } from './fault-plan.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimNetwork } from './sim-network.ts';
import type { Packet } from './sim-network.ts';

const CALM: NetworkPlan = {
  delayMin: 1,
  delayMax: 1,
  slowPerMille: 0,
  lossPerMille: 0,
  duplicatePerMille: 0,
  latePerMille: 0,
  lateMax: 1,
  noticePerMille: 0,
};

function packet(round: number): Packet {
  const message: Message = { kind: 'heartbeat', from: 1, to: 2, term: 1, commit: 0, round };
  return { kind: 'core', message };
}

/** A network of which every packet to a node other than 9 arrives. */
function scene(plan: Partial<NetworkPlan>): {
  network: SimNetwork;
  arrived: (string | number)[];
  run: () => void;
} {
  const queue = new EventQueue();
  const arrived: (string | number)[] = [];
  const network = new SimNetwork(queue, new SeededRandom(1), { ...CALM, ...plan }, (to, given) => {
    if (to === 9) return false;
    arrived.push(given.kind === 'core' && given.message.kind === 'heartbeat' ? given.message.round : given.kind);
    return true;
  });
  const run = (): void => {
    while (queue.runNext());
  };
  return { network, arrived, run };
}

describe('the simulated network', () => {
  it('delivers in order if it delays nothing', () => {
    const { network, arrived, run } = scene({});
    for (const round of [1, 2, 3]) network.send(1, 2, packet(round));
    expect(arrived).toEqual([]);
    run();
    expect(arrived).toEqual([1, 2, 3]);
  });

  it('loses, repeats and reorders', () => {
    const rounds = Array.from({ length: 200 }, (_, round) => round);
    const sent = (plan: Partial<NetworkPlan>): (string | number)[] => {
      const { network, arrived, run } = scene(plan);
      for (const round of rounds) network.send(1, 2, packet(round));
      run();
      return arrived;
    };
    const lossy = sent({ lossPerMille: 500 });
    expect(lossy.length).toBeGreaterThan(50);
    expect(lossy.length).toBeLessThan(150);
    expect(sent({ duplicatePerMille: 500 }).length).toBeGreaterThan(250);
    const reordered = sent({ delayMax: 50 });
    expect(reordered).not.toEqual(rounds);
    expect(reordered.toSorted((a, b) => Number(a) - Number(b))).toEqual(rounds);
  });

  it('never repeats a forwarded write', () => {
    const { network, arrived, run } = scene({ duplicatePerMille: 1000 });
    network.send(1, 2, { kind: 'forward', command: { id: 1, input: { kind: 'put', key: 'k', value: 'v' } } });
    run();
    expect(arrived).toEqual(['forward']);
  });

  it('cuts one direction, also for what is on its way, until it heals', () => {
    const { network, arrived, run } = scene({});
    network.send(1, 2, packet(1));
    network.block(1, 2);
    network.send(2, 1, packet(2));
    run();
    expect(arrived).toEqual([2]);
    network.heal();
    network.send(1, 2, packet(3));
    run();
    expect(arrived).toEqual([2, 3]);
  });

  it('tells the sender what came of a packet', () => {
    const fates: string[] = [];
    const { network, run } = scene({});
    network.block(1, 3);
    for (const to of [2, 3, 9]) network.send(1, to, packet(1), (outcome) => fates.push(`${to} ${outcome}`));
    run();
    network.use({ ...CALM, lossPerMille: 1000 });
    network.send(1, 2, packet(1), (outcome) => fates.push(outcome));
    run();
    expect(fates).toEqual(['2 delivered', '3 lost', '9 lost', 'lost']);
  });
});
