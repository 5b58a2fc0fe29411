import { AutopilotModel, STABLE_MS } from './autopilot-model.fixture.ts';

/** Two servers in each of three zones, the first of each votes. */
const sixInThree = (): AutopilotModel =>
  new AutopilotModel([
    { peer: 1, zone: 'a' },
    { peer: 2, zone: 'b' },
    { peer: 3, zone: 'c' },
    { peer: 4, zone: 'a', voter: false },
    { peer: 5, zone: 'b', voter: false },
    { peer: 6, zone: 'c', voter: false },
  ]);

describe('redundancy zones', () => {
  it('have one voter each, and then nothing moves', () => {
    expect(sixInThree().settle()).toEqual([]);
    const all = sixInThree();
    for (const server of all.servers) server.voter = true;
    expect(all.settle()).toEqual(['demote c6', 'demote b5', 'demote a4']);
    expect(all.voters()).toEqual(['a1', 'b2', 'c3']);
  });

  it('keep the leader as the voter, whoever is there longer', () => {
    const model = sixInThree();
    for (const server of model.servers) server.voter = true;
    model.leader = 4;
    model.of(4).sinceMs = 50;
    model.settle();
    expect(model.voters()).toEqual(['b2', 'c3', 'a4']);
  });

  it('give the vote of an unwell voter to their standby, and not back when it is well again', () => {
    const model = sixInThree();
    model.become(2, false);
    expect(model.settle()).toEqual(['promote b5', 'demote b2']);
    model.become(2, true);
    model.nowMs += 2 * STABLE_MS;
    expect(model.settle()).toEqual([]);
    expect(model.voters()).toEqual(['a1', 'c3', 'b5']);
  });

  it('wait for a standby that is not stable yet', () => {
    const model = sixInThree();
    model.become(5, false);
    model.nowMs += 1000;
    model.become(5, true);
    model.become(2, false);
    // Another zone's standby has been well for long enough.
    expect(model.settle()).toEqual(['promote a4', 'demote b2']);
    model.nowMs += STABLE_MS - 1;
    expect(model.nextText()).toBeUndefined();
    model.nowMs += 1;
    expect(model.settle()).toEqual(['promote b5', 'demote a4']);
  });

  it('are stood in for when they are lost, and get their vote back', () => {
    const model = sixInThree();
    model.become(3, false);
    model.become(6, false);
    expect(model.settle()).toEqual(['promote a4', 'demote c3']);
    expect(model.report().servers.map(({ type }) => type)).toEqual([
      'zone-voter',
      'zone-voter',
      'zone-standby',
      'zone-extra-voter',
      'zone-standby',
      'zone-standby',
    ]);
    model.become(3, true);
    expect(model.settle()).toEqual([]);
    model.nowMs += STABLE_MS;
    expect(model.settle()).toEqual(['promote c3', 'demote a4']);
  });

  it('are stood in for by who does so already, however unevenly', () => {
    const model = new AutopilotModel([
      { peer: 1, zone: 'a' },
      { peer: 2, zone: 'b' },
      { peer: 3, zone: 'c', healthy: false },
      { peer: 4, zone: 'd', healthy: false },
      { peer: 5, zone: 'a' },
      { peer: 6, zone: 'a' },
      { peer: 7, zone: 'b', voter: false },
    ]);
    expect(model.settle()).toEqual(['demote d4', 'demote c3']);
  });

  it('that are lost keep the vote of an unwell member where nobody can stand in', () => {
    const model = new AutopilotModel([
      { peer: 1, zone: 'a' },
      { peer: 2, zone: 'b' },
      { peer: 3, zone: 'c' },
    ]);
    model.become(3, false);
    expect(model.settle()).toEqual([]);
  });

  it.each([
    [
      ['a', 'a', 'a'],
      ['a1', 'a2', 'a3'],
    ],
    [
      ['a', 'a', 'b', 'b'],
      ['a1', 'a2', 'b3'],
    ],
    [['a', 'a'], ['a1']],
  ])('%j leave three voters where there are so many members', (zones, voters) => {
    const model = new AutopilotModel(zones.map((zone, at) => ({ peer: at + 1, zone })));
    model.settle();
    expect(model.voters()).toEqual(voters);
  });

  it('leave members without a zone their votes, and those without one for good none', () => {
    const model = sixInThree();
    model.add({ peer: 7, sinceMs: 0 });
    model.add({ peer: 8, zone: 'd', permanent: true, sinceMs: 0 });
    expect(model.settle()).toEqual(['promote n7']);
    expect(model.report().servers.at(-1)?.type).toBe('non-voter');
    expect([...(model.report().redundancy?.zones.keys() ?? [])]).toEqual(['a', 'b', 'c']);
  });

  it('are not judged before a new leader has heard of their voters', () => {
    const model = sixInThree();
    model.of(2).healthy = false;
    model.of(2).unheard = true;
    expect(model.settle()).toEqual([]);
    model.of(2).unheard = false;
    expect(model.nextText()).toBe('promote b5');
  });

  it('are waited for: nobody gets a vote before it told where it is', () => {
    const model = sixInThree();
    model.servers.push({ peer: 7, voter: false, healthy: true, sinceMs: model.nowMs });
    model.become(2, false);
    expect(model.settle()).toEqual([]);
    model.of(7).version = '1.0.0';
    expect(model.nextText()).toBe('promote b5');
    delete model.of(7).version;
    model.nowMs += 5000;
    expect(model.nextText()).toBe('promote b5');
  });

  it('show how much can be lost, at once and one after the other', () => {
    const { failureTolerance, redundancy } = sixInThree().report();
    expect(failureTolerance).toBe(1);
    expect(redundancy?.optimisticFailureTolerance).toBe(4);
    expect(redundancy?.zones.get('b')).toEqual({ servers: ['b2', 'b5'], voters: ['b2'], failureTolerance: 1 });
  });
});
