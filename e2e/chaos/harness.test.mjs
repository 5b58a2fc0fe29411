/** That fault rounds find what they look for: wrong histories by hand, and a real cluster that answers stale reads. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
const token = (start, end, kind, value) =>
  kind === 'get'
    ? ['register', start, end, { kind, key: 't' }, { kind: 'got', value }]
    : ['register', start, end, { kind, key: 't', value }, { kind: 'stored' }];

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
      token(0, 1, 'put', 'live'),
      token(2, 3, 'get', 'live'),
      token(4, 5, 'put', 'revoked'),
      token(6, 7, 'get', 'revoked'),
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
      [token(0, 1, 'put', 'live'), token(2, 3, 'put', 'revoked'), token(4, 5, 'get', 'live')],
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

  it('leaves out what the machine does not offer', () => {
    for (let seed = 0; seed < 200; seed++)
      for (const { kind } of planRound(seed, { roundMs: 4_000, offers: new Set() }))
        assert.equal(FAULTS[kind].needs, undefined);
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
