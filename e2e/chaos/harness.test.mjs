/** That fault rounds find what they look for: wrong histories by hand, and a real cluster that answers stale reads. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Caller } from './caller.mjs';
import { ChaosCluster } from './chaos-cluster.mjs';
import { Clients, mountForClients } from './clients.mjs';
import { closeConnections } from './http-client.mjs';
import { History, judge } from './history.mjs';
import { FAULTS, planRound } from './plan.mjs';
import { runRound } from './round.mjs';
import { pause } from '../program.mjs';
import { SeededRandom } from '../../libs/testing/dist/sim/seeded-random.js';

const offers = new Set(['tmpfs', 'strace', 'members', 'database']);

function historyOf(...operations) {
  const history = new History();
  for (const [model, start, end, input, output] of operations)
    history.operations.push({ model, client: 1, node: 'node-1', input, start, end, ...(output ? { output } : {}) });
  return history;
}

const wrote = (start, end, value, version, cas) => [
  'versioned',
  start,
  end,
  { kind: 'write', path: 'k', value, ...(cas === undefined ? {} : { cas }) },
  { kind: 'written', version },
];
const read = (start, end, value, version) => [
  'versioned',
  start,
  end,
  { kind: 'read', path: 'k' },
  { kind: 'found', version, value },
];
const patched = (start, end, subKey, value) => [
  'subKeys',
  start,
  end,
  { kind: 'patch', path: 'p', changes: [[subKey, value]] },
  { kind: 'patched', found: true },
];
const created = ['subKeys', 0, 1, { kind: 'replace', path: 'p', data: [['born', '1']] }, { kind: 'replaced' }];
const readPatched = (start, end, data) => ['subKeys', start, end, { kind: 'read', path: 'p' }, { kind: 'data', data }];
const token = (start, end, kind, done) => ['token', start, end, { kind, key: 't' }, { kind: done }];
const put = (start, end, key, value) => [
  'store',
  start,
  end,
  { kind: 'put', partition: 'w', key, value },
  { kind: 'stored' },
];
const get = (start, end, key, value) => [
  'store',
  start,
  end,
  { kind: 'get', partition: 'w', key },
  { kind: 'got', value },
];

describe('the judge of fault rounds', () => {
  it('accepts what a good store answers', () => {
    const good = historyOf(
      wrote(0, 1, 'a', 1, 0),
      read(2, 3, 'a', 1),
      ['versioned', 4, 5, { kind: 'write', path: 'k', value: 'b', cas: 0 }, { kind: 'mismatch' }],
      ['versioned', 4, Infinity, { kind: 'write', path: 'k', value: 'c' }],
      read(6, 7, 'c', 2),
      ['versioned', 8, 9, { kind: 'delete', path: 'k' }, { kind: 'deleted' }],
      read(10, 11, undefined, 2),
      created,
      patched(2, 5, 'one', '1'),
      patched(3, 6, 'two', '1'),
      readPatched(7, 8, [
        ['two', '1'],
        ['born', '1'],
        ['one', '1'],
      ]),
      token(0, 1, 'create', 'created'),
      token(2, 3, 'use', 'taken'),
      token(4, 5, 'revoke', 'revoked'),
      token(6, 7, 'use', 'refused'),
    );
    assert.deepEqual(judge(good).violations, []);
  });

  const bad = {
    'a stale read': [[wrote(0, 1, 'a', 1), wrote(2, 3, 'b', 2), read(4, 5, 'a', 1)], /not linearizable/],
    'a write that was acknowledged and lost': [
      [wrote(0, 1, 'a', 1), ['versioned', 2, 3, { kind: 'read', path: 'k' }, { kind: 'missing' }]],
      /not linearizable/,
    ],
    'a write that was refused for certain and is there': [[read(0, 1, 'x', 1)], /not linearizable/],
    'a write that was done twice': [[wrote(0, 1, 'a', 1), read(2, 3, 'a', 2)], /not linearizable/],
    'two winners of a check-and-set': [[wrote(0, 5, 'a', 1, 0), wrote(1, 6, 'b', 1, 0)], /two winners/],
    'a patch that was lost to another': [
      [
        created,
        patched(2, 5, 'one', '1'),
        patched(3, 6, 'two', '1'),
        readPatched(7, 8, [
          ['born', '1'],
          ['two', '1'],
        ]),
      ],
      /shows one=undefined after 1 was acknowledged/,
    ],
    'a revoked token that is taken': [
      [token(0, 1, 'create', 'created'), token(2, 3, 'revoke', 'revoked'), token(4, 5, 'use', 'taken')],
      /not linearizable/,
    ],
  };
  for (const [name, [operations, expected]] of Object.entries(bad))
    it(`finds ${name}`, () => {
      const { violations } = judge(historyOf(...operations));
      assert.ok(
        violations.some((violation) => expected.test(violation)),
        `found only: ${violations.join('; ')}`,
      );
    });

  it('lets a patch of unknown outcome take effect late', () => {
    const late = historyOf(
      created,
      ['subKeys', 2, Infinity, { kind: 'patch', path: 'p', changes: [['one', '1']] }],
      patched(3, 4, 'one', '2'),
      readPatched(5, 6, [
        ['born', '1'],
        ['one', '1'],
      ]),
    );
    assert.deepEqual(judge(late).violations, []);
  });

  it('reports answers that no fault explains', () => {
    const history = new History();
    history.surprises.push('node-1: read k answered 403');
    assert.equal(judge(history).violations.length, 1);
  });
});

describe('the judge of rounds with restores', () => {
  const withRestores = (saves, restores, ...operations) => {
    const history = historyOf(...operations);
    history.saves.push(...saves.map(([id, start, end]) => ({ id, start, end })));
    history.restores.push(...restores.map(([id, start, end]) => ({ id, start, end })));
    return history;
  };
  const saved = [['s', 10, 20]];
  const restored = [['s', 30, 40]];

  const good = {
    'the state of the snapshot, and what is written on it': [
      saved,
      restored,
      wrote(0, 1, 'a', 1, 0),
      wrote(25, 26, 'b', 2, 1),
      read(27, 28, 'b', 2),
      read(41, 42, 'a', 1),
      wrote(43, 44, 'c', 2, 1),
      read(45, 46, 'c', 2),
    ],
    'any moment of the call that saved': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(12, 13, 'b', 2),
      wrote(15, 16, 'c', 3),
      read(41, 42, 'b', 2),
    ],
    'nothing where there was nothing': [
      saved,
      restored,
      wrote(22, 23, 'a', 1),
      ['versioned', 41, 42, { kind: 'read', path: 'k' }, { kind: 'missing' }],
    ],
    'any moment of the call that restored': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(31, 32, 'b', 2),
      read(33, 34, 'a', 1),
    ],
    'a restore of unknown outcome, late': [
      saved,
      [['s', 30, Infinity]],
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(50, 51, 'b', 2),
      wrote(52, 53, 'c', 3),
      read(60, 61, 'a', 1),
    ],
    'a restore of unknown outcome, never': [
      saved,
      [['s', 30, Infinity]],
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(90, 91, 'b', 2),
    ],
    'a write of unknown outcome that comes after the restore': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      ['versioned', 25, Infinity, { kind: 'write', path: 'k', value: 'x' }],
      read(41, 42, 'a', 1),
      read(43, 44, 'x', 2),
    ],
    'a token that was revoked since, good again': [
      saved,
      restored,
      token(0, 1, 'create', 'created'),
      token(25, 26, 'revoke', 'revoked'),
      token(27, 28, 'use', 'refused'),
      token(41, 42, 'use', 'taken'),
    ],
    'two restores of one snapshot': [
      saved,
      [
        ['s', 30, 40],
        ['s', 50, 60],
      ],
      wrote(0, 1, 'a', 1),
      read(41, 42, 'a', 1),
      wrote(43, 44, 'b', 2),
      read(61, 62, 'a', 1),
    ],
  };
  for (const [name, [saves, restores, ...operations]] of Object.entries(good))
    it(`accepts ${name}`, () => {
      assert.deepEqual(judge(withRestores(saves, restores, ...operations)).violations, []);
    });

  const bad = {
    'a restore that was acknowledged and did not happen': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(41, 42, 'b', 2),
    ],
    'a restore that was refused and happened': [
      saved,
      [],
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(41, 42, 'a', 1),
    ],
    'a write after the restore that is lost': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(41, 42, 'b', 2),
      read(43, 44, 'a', 1),
    ],
    'what was there before the restore, back again': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(41, 42, 'a', 1),
      read(43, 44, 'b', 2),
    ],
    'a key of after the snapshot that stays': [saved, restored, wrote(25, 26, 'a', 1), read(41, 42, 'a', 1)],
    'a key of the snapshot that is missing': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      ['versioned', 41, 42, { kind: 'read', path: 'k' }, { kind: 'missing' }],
    ],
    'a snapshot that is older than the call that saved it': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(2, 3, 'b', 2),
      read(41, 42, 'a', 1),
    ],
    'a snapshot with what was written after it': [
      saved,
      restored,
      wrote(0, 1, 'a', 1),
      wrote(22, 23, 'b', 2),
      wrote(24, 25, 'c', 3),
      read(41, 42, 'b', 2),
    ],
    'a restore of unknown outcome that is undone': [
      saved,
      [['s', 30, Infinity]],
      wrote(0, 1, 'a', 1),
      wrote(25, 26, 'b', 2),
      read(50, 51, 'a', 1),
      read(52, 53, 'b', 2),
    ],
    'a token that was revoked before the snapshot, good again': [
      saved,
      restored,
      token(0, 1, 'create', 'created'),
      token(2, 3, 'revoke', 'revoked'),
      token(41, 42, 'use', 'taken'),
    ],
    'a token that was made after the snapshot, still good': [
      saved,
      restored,
      token(22, 23, 'create', 'created'),
      token(41, 42, 'use', 'taken'),
    ],
    // each key alone could be of some moment of the two calls; all of them together could not
    'keys of two moments in one snapshot': [
      saved,
      restored,
      put(0, 1, 'x', '1'),
      put(2, 3, 'y', '1'),
      put(12, 13, 'x', '2'),
      put(14, 15, 'y', '2'),
      get(41, 42, 'x', '1'),
      get(43, 44, 'y', '2'),
    ],
    'a restore that takes place key by key': [
      saved,
      restored,
      put(0, 1, 'x', '1'),
      put(2, 3, 'y', '1'),
      put(25, 26, 'x', '2'),
      put(27, 28, 'y', '2'),
      get(31, 32, 'x', '1'),
      get(33, 34, 'y', '2'),
    ],
  };
  for (const [name, [saves, restores, ...operations]] of Object.entries(bad))
    it(`finds ${name}`, () => {
      const { violations } = judge(withRestores(saves, restores, ...operations));
      assert.ok(
        violations.some((violation) => /not linearizable/.test(violation)),
        `found only: ${violations.join('; ')}`,
      );
    });

  it('lets a wrapped answer come back only while a restore may be under way', () => {
    const history = new History();
    const ended = history.restoring('s');
    const from = history.restores[0].start;
    assert.ok(history.mayHaveRestored(from - 5, from + 5));
    ended('refused');
    assert.ok(!history.mayHaveRestored(from - 5, from + 5));
    history.restoring('s')('answered');
    const { end } = history.restores[0];
    assert.ok(!history.mayHaveRestored(end + 1, end + 2));
  });
});

describe('keys', () => {
  it('are left for fresh ones when too many of their writes are of unknown outcome', async () => {
    const history = new History();
    const caller = new Caller({ history, name: 'r', nodes: () => [], random: new SeededRandom(1) });
    const first = caller.key('register-0');
    const unknown = () => Promise.resolve({ outcome: 'unknown', why: 'lost' });
    for (let count = 0; caller.key('register-0') === first; count++) {
      assert.ok(count < 10, 'the key is still the same');
      await history.record(
        { model: 'subKeys', client: 1, node: 'n', input: { kind: 'delete', path: first } },
        unknown,
        () => undefined,
      );
    }
    assert.equal(caller.key('register-1'), 'r-register-1-0');
    assert.deepEqual(caller.keys('register-0'), [first, 'r-register-0-1']);
  });
});

describe('a plan', () => {
  it('comes back with its seed, and reaches every kind of fault', () => {
    const kinds = new Set();
    for (let seed = 0; seed < 500; seed++) {
      const plan = planRound(seed, { roundMs: 4_000, offers });
      assert.deepEqual(planRound(seed, { roundMs: 4_000, offers }), plan);
      for (const { kind } of plan) kinds.add(kind);
    }
    assert.deepEqual([...kinds].sort(), Object.keys(FAULTS).sort());
  });

  it('has one of the kinds that are to be in each round', () => {
    for (let seed = 0; seed < 100; seed++) {
      const plan = planRound(seed, { roundMs: 4_000, each: ['restore', 'restore-behind'], offers });
      assert.equal(plan.filter(({ kind }) => kind === 'restore' || kind === 'restore-behind').length, 1);
    }
  });

  it('leaves out what the machine does not offer', () => {
    for (let seed = 0; seed < 200; seed++)
      for (const { kind } of planRound(seed, { roundMs: 4_000, offers: new Set() }))
        assert.equal(FAULTS[kind].needs, undefined);
  });
});

describe('a cluster that is put back', () => {
  it('is found out where nobody said so, and is right where somebody did', async () => {
    const cluster = await ChaosCluster.start({ portBase: 23_000, tmpfs: false });
    try {
      const active = await cluster.active(30_000);
      await mountForClients((method, path, rest) => cluster.request(active, method, path, rest));
      const restore = { force: false, besides: 'nothing', again: 'none' };
      const plan = [{ atMs: 600, forMs: 800, kind: 'restore', node: 0, other: 0, restore }];
      const round = { cluster, ledger: [], roundMs: 2_000 };
      const untold = await runRound({ ...round, seed: 1, plan: [{ ...plan[0], untold: true }] });
      assert.ok(
        untold.problems.some((problem) => /not linearizable/.test(problem)),
        `the restore was not found: ${untold.lines.join('\n')}`,
      );
      assert.ok(untold.problems.some((problem) => /was acknowledged and is lost/.test(problem)));
      const told = await runRound({ ...round, ledger: [], seed: 2, plan });
      assert.deepEqual(told.problems, []);
      assert.deepEqual(told.undecided, []);
    } finally {
      await cluster.stop();
      closeConnections();
    }
  });
});

describe('a cluster whose clients ask for stale reads while a node lags', () => {
  it('is found out', async () => {
    const cluster = await ChaosCluster.start({ portBase: 23_000, tmpfs: false });
    try {
      const active = await cluster.active(30_000);
      await mountForClients((method, path, rest) => cluster.request(active, method, path, rest));
      const node = cluster.nodes.findIndex((each) => each !== active);
      // what that node applies comes late, so what it shows unasked is old
      const plan = [{ atMs: 300, forMs: 3_000, kind: 'delay-links', node, delayMs: 200 }];
      const round = { cluster, ledger: [], roundMs: 3_000, plan };
      const stale = await runRound({ ...round, seed: 1, staleReads: true });
      assert.ok(
        stale.problems.some((problem) => /not linearizable/.test(problem)),
        `stale reads were not found: ${stale.lines.join('\n')}`,
      );
      // the same without the header
      const linearizable = await runRound({ ...round, seed: 2, staleReads: false });
      assert.deepEqual(linearizable.problems, []);
      assert.deepEqual(linearizable.undecided, []);
    } finally {
      await cluster.stop();
      closeConnections();
    }
  });

  it('does not lose what it acknowledged without anybody noticing', async () => {
    const cluster = await ChaosCluster.start({ portBase: 23_000, tmpfs: false });
    try {
      const active = await cluster.active(30_000);
      await mountForClients((method, path, rest) => cluster.request(active, method, path, rest));
      const history = new History();
      const ledger = [];
      const clients = new Clients({
        name: 'lost',
        nodes: () => cluster.serving(),
        token: cluster.token,
        history,
        random: new SeededRandom(1),
        ledger,
      });
      clients.start();
      await pause(500);
      await clients.stop();
      assert.ok(ledger.length > 0, 'the ledger has entries');
      const { status } = await cluster.request(active, 'DELETE', ledger[0].path);
      assert.equal(status, 204);
      await clients.readAll();
      assert.ok(judge(history).violations.some((violation) => /was acknowledged and is lost/.test(violation)));
    } finally {
      await cluster.stop();
      closeConnections();
    }
  });
});
