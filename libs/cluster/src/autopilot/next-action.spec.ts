/** What holds for every cluster, whoever is in it and whatever happens to it. */
import { AutopilotModel, STABLE_MS, type ModelServer } from './autopilot-model.fixture.ts';
import type { AutopilotAction } from './next-action.ts';

type Draw = (below: number) => number;

/** Park and Miller's generator: a seed repeats a run. */
function drawing(seed: number): Draw {
  let state = seed;
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below;
}

function randomServer(draw: Draw, peer: number, zones: number): Partial<ModelServer> & { readonly peer: number } {
  const zone = draw(zones + 1);
  const permanent = draw(12) === 0;
  return {
    peer,
    permanent,
    voter: !permanent && draw(3) > 0,
    healthy: draw(4) > 0,
    sinceMs: draw(2) * 9 * STABLE_MS,
    ...(zone === 0 && draw(3) > 0 ? {} : { zone: 'abcde'[zone] as string }),
    version: ['1.0.0', '1.0.0', '1.1.0', '1.2.0'][draw(4)] as string,
  };
}

function randomCluster(draw: Draw): AutopilotModel {
  const zones = draw(5);
  const servers = Array.from({ length: 1 + draw(9) }, (_, at) => randomServer(draw, at + 1, zones));
  const model = new AutopilotModel(servers);
  if (!model.hasQuorum) {
    // A leader without a quorum does nothing: a cluster of the sick is of no interest here.
    for (const server of model.servers) if (server.voter) server.healthy = true;
    const [first] = model.servers as [ModelServer];
    if (model.voters().length === 0) model.servers[0] = { ...first, permanent: false, voter: true, healthy: true };
  }
  model.leader = (model.servers.find(({ voter, healthy }) => voter && healthy) as ModelServer).peer;
  model.settings = { ...model.settings, disableUpgradeMigration: draw(4) === 0 };
  return model;
}

const spare = (servers: readonly ModelServer[]): number => {
  const voters = servers.filter(({ voter }) => voter);
  return voters.filter(({ healthy }) => healthy).length - (Math.floor(voters.length / 2) + 1);
};

/** Throws where an action is one that must never be. */
function judge(model: AutopilotModel, { kind, server }: AutopilotAction): void {
  const of = model.of(server.member.peer);
  const voters = model.servers.filter(({ voter }) => voter);
  const after = model.servers.map((each) => (each === of ? { ...each, voter: kind !== 'demote' } : each));
  const left = after.filter(({ voter }) => voter);
  if (kind === 'promote') expect([of.permanent ?? false, of.healthy, of.voter]).toEqual([false, true, false]);
  if (kind === 'transfer') expect([of.healthy, of.voter, of.peer === model.leader]).toEqual([true, true, false]);
  if (kind === 'demote') {
    expect(of.peer).not.toBe(model.leader);
    const eligible = model.servers.filter(({ voter, permanent }) => voter || permanent !== true);
    if (eligible.length > 2) expect(left.length).toBeGreaterThanOrEqual(Math.min(3, voters.length));
    // Nobody who is well goes while somebody who is not stays.
    if (of.healthy) expect(left.every(({ healthy, unheard }) => healthy && unheard !== true)).toBe(true);
    else expect(spare(after)).toBeGreaterThanOrEqual(spare(model.servers));
  }
  expect(kind).not.toBe('remove');
  expect(spare(after)).toBeGreaterThanOrEqual(0);
}

/** Throws where a cluster at rest is not as it should be. */
function judgeRest(model: AutopilotModel): void {
  const { servers } = model;
  const stable = (server: ModelServer): boolean => server.healthy && model.nowMs - server.sinceMs >= STABLE_MS;
  const eligible = servers.filter(({ voter, permanent }) => voter || permanent !== true);
  if (model.report().upgrade?.status !== 'idle' && model.report().upgrade !== undefined) return;
  const voting = eligible.filter(({ voter, healthy }) => voter && healthy);
  for (const { zone, peer } of eligible.filter(stable)) {
    const own = voting.filter((each) => (zone === undefined ? each.peer === peer : each.zone === zone));
    expect(own.length).toBeGreaterThan(0);
  }
  const groups = new Set(eligible.map(({ zone, peer }) => zone ?? peer)).size;
  expect(voting.length).toBeLessThanOrEqual(Math.max(groups, 3));
}

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1);

describe('autopilot, in clusters made by chance,', () => {
  it.each(SEEDS)('never endangers the quorum, and comes to rest (%d)', (seed) => {
    const draw = drawing(seed);
    for (let round = 0; round < 50; round++) {
      const model = randomCluster(draw);
      model.settle((action) => judge(model, action));
      judgeRest(model);
      expect(model.next()).toBeUndefined();
    }
  });

  it.each(SEEDS)('does so while members fall ill, recover, come and are upgraded (%d)', (seed) => {
    const draw = drawing(seed + 1000);
    for (let round = 0; round < 20; round++) {
      const model = randomCluster(draw);
      for (let event = 0; event < 40; event++) {
        if (draw(3) === 0) model.hear();
        happen(draw, model);
        model.nowMs += draw(3) * STABLE_MS;
        // A leader acts a step at a time, and things happen in between.
        for (let step = draw(4); step > 0; step--) {
          const action = model.next();
          if (action === undefined) break;
          judge(model, action);
          model.do(action);
        }
      }
      model.hear();
      model.nowMs += 2 * STABLE_MS;
      model.settle((action) => judge(model, action));
      judgeRest(model);
    }
  });

  it.each(SEEDS)('does little about a member that is unwell now and then (%d)', (seed) => {
    const draw = drawing(seed + 2000);
    const model = randomCluster(draw);
    for (const server of model.servers) Object.assign(server, { healthy: true, sinceMs: 0 });
    model.settle();
    const [moody] = model.servers.filter(({ peer }) => peer !== model.leader);
    if (moody === undefined) return;
    let actions = 0;
    for (let turn = 0; turn < 100; turn++) {
      model.nowMs += 1 + draw(STABLE_MS - 1);
      model.become(moody.peer, !moody.healthy);
      actions += model.settle((action) => judge(model, action)).length;
    }
    // A stand-in comes and its own vote goes, and that is it: it is never well for long enough to get a vote.
    expect(actions).toBeLessThanOrEqual(4);
  });
});

/** One thing that may happen without costing the quorum. */
function happen(draw: Draw, model: AutopilotModel): void {
  const server = model.servers[draw(model.servers.length)] as ModelServer;
  const kind = draw(6);
  if (kind === 0) model.become(server.peer, true);
  else if (kind === 1 && server.peer !== model.leader) {
    model.become(server.peer, false);
    if (!model.hasQuorum) model.become(server.peer, true);
  } else if (kind === 2) server.version = '1.2.0';
  else if (kind === 3) {
    const peer = Math.max(...model.servers.map((each) => each.peer)) + 1;
    if (model.servers.length < 12) model.add({ ...randomServer(draw, peer, 4), voter: false });
  } else if (kind === 4) for (const each of model.servers) each.lags = each.peer !== model.leader;
  else if (model.servers.some(({ voter, healthy, peer }) => voter && healthy && peer !== model.leader)) model.elect();
}
