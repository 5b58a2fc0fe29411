#!/usr/bin/env node
/**
 * Fault rounds on real processes: `npm run test:chaos -- [options]`. Each round makes a plan of faults from its seed, runs
 * it under clients on all nodes, lets the cluster recover, and judges the history of every operation. Ends with
 * `N passed, N failed`, a round each; exit code 1 where one failed.
 *
 *   --rounds=200        how many rounds (default 200; 0: until --minutes are over)
 *   --short             the short form: nine rounds, one for each family of faults
 *   --minutes=N         ends after the round in which so many minutes are over
 *   --seed=N            of the first round, the next one is one higher; chosen and printed if left out
 *   --round-ms=4000     how long clients work in each
 *   --faults=a,b        only these kinds; see plan.mjs
 *   --each=a,b          one of these kinds is in every round, besides others
 *   --faults-per-round=N   instead of one to three
 *   --rounds-per-cluster=20   after so many, a new cluster
 *   --trailing-logs=N   how many entries the log keeps; chosen by the seed of a cluster's first round if left out
 *   --authority-ttl=5s  how old the authority of the cluster port gets; 30 days if left out
 *   --port-base=21000   the first of the ports to use
 *   --failures=FOLDER   where logs and histories of failed rounds are kept (default: the system's folder for temporary files)
 *   --storage=raft      or postgresql, etcd: what the nodes keep their data in
 *   --stale-reads       clients read what may be stale, which has to be found: the run must fail
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { whatTheMachineOffers } from './faults.mjs';
import { FAULTS, shortForm } from './plan.mjs';
import { ChaosCluster } from './chaos-cluster.mjs';
import { Clients, mountForClients } from './clients.mjs';
import { closeConnections } from './http-client.mjs';
import { History } from './history.mjs';
import { fill } from './restore-faults.mjs';
import { runRound } from './round.mjs';
import { runEtcd, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { SeededRandom } from '../../libs/testing/dist/sim/seeded-random.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    short: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    'round-ms': { type: 'string', default: '4000' },
    faults: { type: 'string', default: '' },
    each: { type: 'string', default: '' },
    'faults-per-round': { type: 'string' },
    'rounds-per-cluster': { type: 'string', default: '20' },
    'trailing-logs': { type: 'string' },
    'authority-ttl': { type: 'string' },
    'port-base': { type: 'string', default: '21000' },
    failures: { type: 'string' },
    storage: { type: 'string', default: 'raft' },
    'stale-reads': { type: 'boolean', default: false },
  },
});
const firstSeed = options.seed === undefined ? Date.now() % 1_000_000_000 : Number(options.seed);
const endMs = options.minutes === undefined ? Infinity : performance.now() + Number(options.minutes) * 60_000;
const roundsPerCluster = Number(options['rounds-per-cluster']);
const kindsOf = (list) => (list === '' ? [] : list.split(','));
const only = kindsOf(options.faults);

const scratch = mkdtempSync(join(tmpdir(), 'coffer-chaos-probe-'));
const DATABASES = {
  raft: undefined,
  postgresql: async () => {
    const { program, url } = await runPostgresql();
    return { program, storage: `storage "postgresql" {\n  connection_url = "${url}"\n  ha_enabled = true\n}\n` };
  },
  etcd: async () => {
    const { program, url } = await runEtcd();
    return { program, storage: `storage "etcd" {\n  address = "${url}"\n  ha_enabled = true\n}\n` };
  },
};
if (!(options.storage in DATABASES)) throw new Error(`--storage: expected one of ${Object.keys(DATABASES).join(', ')}`);
const runDatabase = DATABASES[options.storage];
// A database has disks of its own, and nodes that share one are no members of anything.
const offers = runDatabase ? new Set(['database']) : whatTheMachineOffers(scratch).add('members');
rmSync(scratch, { recursive: true });
const families = options.short ? shortForm(offers) : undefined;
const rounds = families?.length ?? (Number(options.rounds) || Infinity);
for (const [kind, { needs }] of Object.entries(FAULTS))
  if (!runDatabase && needs !== undefined && needs !== 'database' && !offers.has(needs))
    console.log(`skipped: ${kind} (this machine does not let us use ${needs})`);

const failures = options.failures ?? join(tmpdir(), `coffer-chaos-failures-${firstSeed}`);
const totals = { rounds: 0, failed: 0, operations: 0, undecided: 0, ok: 0, refused: 0, unknown: 0 };
const gaps = [];
let cluster;
let ledger = [];

async function newCluster(seed) {
  const chosen = new SeededRandom(seed).pick([undefined, 60, 600]);
  const trailingLogs = options['trailing-logs'] === undefined ? chosen : Number(options['trailing-logs']);
  console.log(`a new cluster; the log keeps ${trailingLogs ?? 'as many entries as by default'}`);
  cluster = await ChaosCluster.start({
    portBase: Number(options['port-base']),
    tmpfs: offers.has('tmpfs'),
    trailingLogs,
    authorityTtl: options['authority-ttl'],
    database: await runDatabase?.(),
  });
  ledger = [];
  const active = await cluster.active(30_000);
  const request = (method, path, rest) => cluster.request(active, method, path, rest);
  await mountForClients(request);
  if (!runDatabase) await fill(request);
}

/** At the end of a cluster's life, what all its rounds acknowledged is still there. */
async function endCluster(keepData) {
  if (!cluster) return [];
  const history = new History();
  if (!keepData) {
    const nodes = () => cluster.nodes;
    const random = new SeededRandom(firstSeed);
    await new Clients({ name: 'ledger', nodes, token: cluster.token, history, random, ledger }).checkLedger(ledger);
  }
  await cluster.stop({ keepData });
  cluster = undefined;
  closeConnections();
  return history.surprises;
}

function keep(seed, round) {
  const folder = join(failures, String(seed));
  mkdirSync(folder, { recursive: true });
  for (const node of [...cluster.nodes, cluster.guest])
    if (node.process) cpSync(node.logFile, join(folder, `${node.id}.log`));
  writeFileSync(join(folder, 'history.json'), JSON.stringify(round.operations, null, 1));
  writeFileSync(join(folder, 'report.txt'), [...round.lines, ...round.problems].join('\n'));
  return folder;
}

console.log(`seed ${firstSeed}; each round can be run again by --seed=SEED --rounds=1`);
try {
  for (let index = 0; index < rounds && performance.now() < endMs; index++) {
    const seed = firstSeed + index;
    if (!cluster) await newCluster(seed);
    const round = await runRound({
      seed,
      cluster,
      ledger,
      only: families?.[index] ?? only,
      each: kindsOf(options.each),
      offers,
      roundMs: Number(options['round-ms']),
      faults: options['faults-per-round'] === undefined ? undefined : Number(options['faults-per-round']),
      staleReads: options['stale-reads'],
    });
    totals.rounds++;
    totals.operations += round.checked;
    totals.undecided += round.undecided.length;
    for (const name of ['ok', 'refused', 'unknown']) totals[name] += round.counts[name];
    if (round.gapMs !== undefined) gaps.push(round.gapMs);
    console.log(round.lines.join('\n'));
    for (const line of round.undecided) console.log(`  ${line}`);
    const failed = round.problems.length > 0;
    if (failed) {
      totals.failed++;
      console.log(`  FAILED (kept in ${keep(seed, round)})`);
      for (const problem of round.problems.slice(0, 10)) console.log(`    ${problem.replaceAll('\n', '\n    ')}`);
    }
    if (failed || (index + 1) % roundsPerCluster === 0) {
      const lost = await endCluster(failed);
      if (lost.length > 0) {
        totals.failed++;
        console.log(`  FAILED: of what earlier rounds acknowledged\n    ${lost.slice(0, 10).join('\n    ')}`);
      }
    }
  }
  const lost = await endCluster(false);
  if (lost.length > 0) totals.failed++;
  for (const line of lost.slice(0, 10)) console.log(`FAILED: ${line}`);
} catch (error) {
  totals.failed++;
  console.log(`FAILED: ${error.stack}${cluster?.tailOfLogs() ?? ''}`);
  await cluster?.stop({ keepData: true });
}

gaps.sort((a, b) => a - b);
const at = (share) => Math.round(gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))]);
if (gaps.length > 0)
  console.log(
    `longest gap in good writes for each kill -9 of the leader alone (${gaps.length}): median ${at(0.5)} ms, 90 % ${at(0.9)} ms, longest ${at(1)} ms`,
  );
console.log(
  `${totals.rounds} rounds, ${totals.operations} operations checked; ${totals.ok} calls answered, ${totals.refused} refused, ${totals.unknown} of unknown outcome; ${totals.undecided} keys undecided`,
);
console.log(`${Math.max(0, totals.rounds - totals.failed)} passed, ${totals.failed} failed`);
process.exit(totals.failed > 0 || totals.rounds === 0 ? 1 : 0);
