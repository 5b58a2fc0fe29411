import { AutopilotModel, STABLE_MS } from './autopilot-model.fixture.ts';

const OLD = '1.0.0';
const NEW = '1.1.0';

const three = (): AutopilotModel => new AutopilotModel([{ peer: 1 }, { peer: 2 }, { peer: 3 }]);

describe('an upgrade by new members', () => {
  it('waits until there are as many of them as old ones, and then moves all', () => {
    const model = three();
    expect(model.report().upgrade).toBeUndefined();
    for (const peer of [4, 5]) model.add({ peer, version: NEW, sinceMs: 0 });
    expect(model.settle()).toEqual([]);
    expect(model.report().upgrade).toMatchObject({
      status: 'await-new-voters',
      targetVersion: NEW,
      targetVoters: [],
      targetNonVoters: ['n4', 'n5'],
      otherVoters: ['n1', 'n2', 'n3'],
    });
    model.add({ peer: 6, version: NEW });
    expect(model.settle()).toEqual([]);
    model.nowMs += STABLE_MS;
    expect(model.report().upgrade?.status).toBe('promoting');
    expect(model.settle()).toEqual([
      'promote n4',
      'promote n5',
      'promote n6',
      'transfer n4',
      'demote n3',
      'demote n2',
      'demote n1',
    ]);
    expect(model.report().upgrade).toMatchObject({
      status: 'await-server-removal',
      targetVoters: ['n4', 'n5', 'n6'],
      otherNonVoters: ['n1', 'n2', 'n3'],
    });
    model.servers = model.servers.filter(({ peer }) => peer > 3);
    expect(model.report().upgrade).toBeUndefined();
    expect(model.settle()).toEqual([]);
  });

  it('shows each step', () => {
    const model = three();
    for (const peer of [4, 5, 6]) model.add({ peer, version: NEW, sinceMs: 0 });
    const steps: string[] = [];
    for (let action = model.next(); action !== undefined; action = model.next()) {
      steps.push(model.report().upgrade?.status ?? '');
      model.do(action);
    }
    expect([...new Set(steps)]).toEqual(['promoting', 'leader-transfer', 'demoting']);
  });

  it('moves nothing where it is switched off, and every member gets its vote', () => {
    const model = three();
    model.settings = { ...model.settings, disableUpgradeMigration: true };
    for (const peer of [4, 5, 6]) model.add({ peer, version: NEW, sinceMs: 0 });
    expect(model.settle()).toEqual(['promote n4', 'promote n5', 'promote n6']);
    expect(model.report().upgrade?.status).toBe('disabled');
  });

  it('goes on with an old member in the place of a new one that falls ill', () => {
    const model = three();
    for (const peer of [4, 5, 6]) model.add({ peer, version: NEW, sinceMs: 0 });
    for (let step = 0; step < 4; step++) model.do(model.next() as never);
    expect(model.leader).toBe(4);
    model.become(6, false);
    // The vote of an old one makes up for it, until it is back.
    expect(model.settle()).toEqual(['demote n6', 'demote n3', 'demote n2']);
    model.become(6, true);
    model.nowMs += STABLE_MS;
    expect(model.settle()).toEqual(['promote n6', 'demote n1']);
  });

  it('is not turned back when a new member is lost at its end: an old one stands in', () => {
    const model = three();
    for (const peer of [4, 5, 6]) model.add({ peer, version: NEW, sinceMs: 0 });
    model.settle();
    model.become(6, false);
    expect(model.settle()).toEqual(['promote n1', 'demote n6']);
    expect(model.report().upgrade?.status).toBe('await-new-servers');
    model.become(6, true);
    model.nowMs += STABLE_MS;
    expect(model.settle()).toEqual(['promote n6', 'demote n1']);
  });

  it('gives no new member a vote for an old one that is lost', () => {
    const model = three();
    model.add({ peer: 4, version: NEW, sinceMs: 0 });
    model.become(3, false);
    expect(model.settle()).toEqual([]);
  });

  it('of a single node moves its vote', () => {
    const model = new AutopilotModel([{ peer: 1 }]);
    model.add({ peer: 2, version: NEW, sinceMs: 0 });
    expect(model.settle()).toEqual(['promote n2', 'transfer n2', 'demote n1']);
  });

  it('goes by builds of a version as well, and not by members that did not tell', () => {
    const model = three();
    for (const server of model.servers) server.version = '1.21.0+coffer.0.9.0';
    for (const peer of [4, 5, 6]) model.add({ peer, version: '1.21.0+coffer.0.10.0', sinceMs: 0 });
    delete model.of(3).version;
    model.settle();
    expect(model.leader).toBe(4);
    expect(model.voters()).toEqual(['n3', 'n4', 'n5', 'n6']);
  });
});

describe('an upgrade of the members in place', () => {
  it('moves the lead when most are new, and leaves three their votes', () => {
    const model = three();
    model.of(2).version = NEW;
    expect(model.settle()).toEqual([]);
    expect(model.report().upgrade?.status).toBe('await-new-voters');
    model.of(3).version = NEW;
    expect(model.settle()).toEqual(['transfer n2']);
    expect(model.report().upgrade?.status).toBe('await-new-servers');
    model.of(1).version = NEW;
    expect(model.settle()).toEqual([]);
    expect(model.voters()).toEqual(['n1', 'n2', 'n3']);
  });

  it('of five leaves three voters for a while', () => {
    const model = new AutopilotModel([1, 2, 3, 4, 5].map((peer) => ({ peer })));
    for (const peer of [5, 4, 3]) model.of(peer).version = NEW;
    expect(model.settle()).toEqual(['transfer n3', 'demote n2', 'demote n1']);
    for (const peer of [1, 2]) model.of(peer).version = NEW;
    expect(model.settle()).toEqual(['promote n1', 'promote n2']);
  });
});

describe('an upgrade with redundancy zones', () => {
  const zoned = (): AutopilotModel =>
    new AutopilotModel(
      ['a', 'b', 'c', 'a', 'b', 'c'].map((zone, at) => ({ peer: at + 1, zone, voter: at < 3, version: OLD })),
    );

  it('waits for a new member in each zone', () => {
    const model = zoned();
    for (const [at, zone] of ['a', 'b', 'b', 'b'].entries())
      model.add({ peer: 7 + at, zone, version: NEW, sinceMs: 0 });
    expect(model.settle()).toEqual([]);
    model.add({ peer: 11, zone: 'c', version: NEW, sinceMs: 0 });
    model.settle();
    expect(model.voters()).toEqual(['a7', 'b8', 'c11']);
    const upgrade = model.report().upgrade;
    expect(upgrade?.status).toBe('await-server-removal');
    expect(upgrade?.zones.get('b')).toEqual({
      targetVoters: ['b8'],
      targetNonVoters: ['b9', 'b10'],
      otherVoters: [],
      otherNonVoters: ['b2', 'b5'],
    });
  });

  it('lets a new member stand in for a zone that is lost before there are enough', () => {
    const model = zoned();
    model.add({ peer: 7, zone: 'c', version: NEW, sinceMs: 0 });
    expect(model.settle()).toEqual([]);
    for (const peer of [3, 4, 5, 6]) model.become(peer, false);
    expect(model.settle()).toEqual(['promote c7', 'demote c3']);
  });

  it('does without a zone in which no old one is well', () => {
    const model = zoned();
    for (const peer of [3, 6]) model.become(peer, false);
    for (const [at, zone] of ['a', 'b'].entries()) model.add({ peer: 7 + at, zone, version: NEW, sinceMs: 0 });
    model.settle();
    expect(model.leader).toBe(7);
    expect(model.voters()).toHaveLength(3);
    expect(model.voters()).toEqual(expect.arrayContaining(['a7', 'b8']));
  });

  it('in place begins with the standbys, which take the votes over', () => {
    const model = zoned();
    for (const peer of [4, 5, 6]) model.of(peer).version = NEW;
    model.settle();
    expect(model.voters()).toEqual(['a4', 'b5', 'c6']);
    for (const peer of [1, 2, 3]) model.of(peer).version = NEW;
    expect(model.settle()).toEqual([]);
  });
});
