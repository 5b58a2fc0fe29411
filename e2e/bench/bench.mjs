#!/usr/bin/env node
/**
 * `npm run bench`: what this program does on this machine, beside a bare `node:http` server and, with PEER_BIN, beside
 * another server of the same API and flags. All in one run, subjects in turn within each round, so that a slow moment
 * of the machine hits all of them. Prints a table; judges nothing.
 *
 *   PEER_BIN=/path/to/program   measured the same way, with ratios
 *   BENCH_SECONDS=3             how long each measurement takes
 *   BENCH_ROUNDS=2              how often each is repeated; the median counts
 *   BENCH_WARM_UP=2             seconds of load before each measurement: servers run for longer than compilers need
 *
 * Bounded to less than five minutes with a peer and the numbers above.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, call, startDevServer } from '../cluster.mjs';
import { coffer, node, pause, serverCommand } from '../program.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const WARM_UP = Number(process.env.BENCH_WARM_UP ?? 2);
const CONNECTIONS = 32;
const peer = process.env.PEER_BIN;

// ---------------------------------------------------------------- measuring

function load(job) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [join(here, 'load.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`load ended with ${code}`)),
    );
    child.stdin.end(JSON.stringify({ connections: CONNECTIONS, seconds: SECONDS, warmUpSeconds: WARM_UP, ...job }));
  });
}

function requestText(method, path, token, body) {
  const head = [`${method} /v1/${path} HTTP/1.1`, 'Host: 127.0.0.1', `X-Vault-Token: ${token}`];
  if (body === undefined) return `${head.join('\r\n')}\r\n\r\n`;
  const text = JSON.stringify(body);
  // the mark for a number is three characters shorter than the number
  const marks = text.split('%N%').length - 1;
  const length = Buffer.byteLength(text) + 3 * marks;
  return `${head.join('\r\n')}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${text}`;
}

const READS = Array.from({ length: 50 }, (_, number) => `bench/data/read-${number}`);

async function prepare(cluster) {
  const active = await cluster.active();
  const ok = async (method, path, body) => {
    const { status, body: answer } = await cluster.request(active, method, path, { body });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(answer)}`);
    return answer;
  };
  await ok('POST', 'sys/mounts/bench', { type: 'kv', options: { version: '2' } });
  await ok('POST', 'sys/mounts/bench1', { type: 'kv', options: { version: '1' } });
  for (let tries = 0; ; tries++) {
    // version 2 is prepared after mounting; some servers refuse writes meanwhile
    const { status } = await cluster.request(active, 'POST', READS[0], { body: { data: { value: 'x'.repeat(100) } } });
    if (status === 200) break;
    if (tries > 100) throw new Error(`bench/ does not take writes: ${status}`);
    await pause(100);
  }
  for (const path of READS) await ok('POST', path, { data: { value: 'x'.repeat(100) } });
  await ok('PUT', 'sys/policies/acl/bench', {
    policy:
      'path "bench/*" { capabilities = ["create", "update", "read", "list"] }\npath "bench1/*" { capabilities = ["create", "update", "read"] }',
  });
  const { auth } = await ok('POST', 'auth/token/create', { policies: ['bench'], ttl: '1h' });
  return auth.client_token;
}

const KINDS = {
  'KV v2 read': (token) => READS.map((path) => requestText('GET', path, token)),
  'KV v2 write': (token) => [requestText('POST', 'bench/data/write-%N%', token, { data: { value: 'x'.repeat(100) } })],
  'KV v1 write': (token) => [requestText('POST', 'bench1/write-%N%', token, { value: 'x'.repeat(100) })],
  'token lookup-self': (token) => [requestText('GET', 'auth/token/lookup-self', token)],
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** rows: name → subject → list of results; one at a time, subjects in turn. */
async function measure(subjects, rows) {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, perSubject] of rows) {
      for (const subject of subjects) {
        const job = perSubject.jobs[subject.name];
        if (!job) continue;
        const result = await load(job);
        if (result.failures > 0)
          console.error(`${name}, ${subject.name}: ${result.failures} failures ${JSON.stringify(result.statuses)}`);
        (perSubject.results[subject.name] ??= []).push(result);
      }
    }
  }
}

function rowOf(rows, name) {
  const row = { jobs: {}, results: {} };
  rows.push([name, row]);
  return row;
}

/**
 * Kills the leader with -9 while writers go on through the other nodes: how long until the next acknowledged write, and
 * whether each acknowledged write is there afterwards.
 */
async function failOver(cluster, token) {
  const active = await cluster.active();
  const others = cluster.nodes.filter((each) => each !== active);
  const acknowledged = [];
  let stop = false;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let count = 0; !stop; count++) {
      const at = others[(writer + count) % others.length];
      const path = `bench1/failover-${writer}-${count}`;
      const answer = await call(at.url, 'POST', path, { token, body: { value: path }, timeoutMs: 5_000 }).catch(
        () => undefined,
      );
      if (answer?.status === 204) acknowledged.push({ path, atMs: performance.now() });
      else await pause(5);
    }
  });
  await pause(1_000);
  const killedMs = performance.now();
  await cluster.kill(active);
  const giveUpMs = killedMs + 30_000;
  // writes that were on their way home when the leader died do not count: the next one that a new leader took does
  while (performance.now() < giveUpMs && (acknowledged.at(-1)?.atMs ?? 0) < killedMs + 20) await pause(2);
  await pause(1_000);
  stop = true;
  await Promise.all(writers);
  const times = acknowledged
    .map(({ atMs }) => atMs)
    .filter((atMs) => atMs > killedMs - 200)
    .sort((a, b) => a - b);
  let gapMs = 0;
  for (let index = 1; index < times.length; index++) gapMs = Math.max(gapMs, times[index] - times[index - 1]);
  let lost = 0;
  for (const { path } of acknowledged) {
    const { status } = await call(others[0].url, 'GET', path, { token });
    if (status !== 200) lost++;
  }
  return { gapMs, lost, acknowledged: acknowledged.length };
}

function secondsOf(work) {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}

// ---------------------------------------------------------------- the run

async function main() {
  const beginMs = performance.now();
  const subjects = [{ name: 'coffer', program: [coffer], command: serverCommand() }];
  if (peer) subjects.push({ name: 'peer', program: [peer], command: [peer, 'server'] });
  const figures = [];
  const note = (name, unit, values, better = 'less') => figures.push({ name, unit, values, better });

  for (const [name, args] of [['version', ['version']]]) {
    const values = {};
    for (const subject of subjects) {
      const times = Array.from({ length: 5 }, () =>
        secondsOf(() => execFileSync(subject.program[0], args, { stdio: 'ignore' })),
      );
      values[subject.name] = median(times) * 1000;
    }
    note(`command "${name}"`, 'ms', values);
  }
  const starts = {};
  for (const subject of subjects) {
    const times = [];
    for (let count = 0; count < 3; count++) {
      const begin = performance.now();
      const server = await startDevServer({ command: subject.command });
      times.push(performance.now() - begin);
      await server.stop();
    }
    starts[subject.name] = median(times);
  }
  note('development server, start to first answer', 'ms', starts);

  const bare = spawn(node, [fileURLToPath(import.meta.url), '--bare-server'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const barePort = Number(await new Promise((resolve) => bare.stdout.once('data', resolve)));
  const clusters = [];
  try {
    const rows = [];
    const bareRow = rowOf(rows, 'bare node:http');
    bareRow.jobs.coffer = { port: barePort, requests: [requestText('GET', 'x', 'x')] };
    const idle = {};
    for (const subject of subjects) {
      const cluster = await Cluster.start({ nodes: 1, command: subject.command });
      clusters.push(cluster);
      const token = await prepare(cluster);
      await pause(1_000);
      // at rest: what starting and unsealing left behind is collected by then
      await pause(5000);
      idle[subject.name] = cluster.nodes[0].process.residentMiB;
      for (const [kind, requests] of Object.entries(KINDS)) {
        const name = `one node: ${kind}`;
        const row = rows.find(([existing]) => existing === name)?.[1] ?? rowOf(rows, name);
        row.jobs[subject.name] = { port: cluster.nodes[0].apiPort, requests: requests(token) };
      }
    }
    note('one node, resident memory at rest', 'MiB', idle);
    await measure(subjects, rows);
    addRows(note, rows);
    for (const cluster of clusters.splice(0)) await cluster.stop();

    const threeRows = [];
    const tokens = {};
    const three = {};
    for (const subject of subjects) {
      const cluster = await Cluster.start({ nodes: 3, command: subject.command });
      clusters.push(cluster);
      three[subject.name] = cluster;
      const token = (tokens[subject.name] = await prepare(cluster));
      const active = await cluster.active();
      const [standby] = await cluster.standbys();
      for (const [through, at] of [
        ['leader', active],
        ['standby', standby],
      ]) {
        for (const kind of ['KV v2 read', 'KV v2 write']) {
          const name = `three nodes, ${through}: ${kind}`;
          const row = threeRows.find(([existing]) => existing === name)?.[1] ?? rowOf(threeRows, name);
          row.jobs[subject.name] = { port: at.apiPort, requests: KINDS[kind](token) };
        }
      }
    }
    await measure(subjects, threeRows);
    addRows(note, threeRows);
    const gaps = {};
    const losses = {};
    for (const subject of subjects) {
      const { gapMs, lost, acknowledged } = await failOver(three[subject.name], tokens[subject.name]);
      gaps[subject.name] = gapMs;
      losses[subject.name] = lost;
      if (acknowledged < 20) console.error(`${subject.name}: only ${acknowledged} writes while failing over`);
    }
    note('leader killed (-9): no write acknowledged for', 'ms', gaps);
    note('leader killed (-9): acknowledged writes lost', '', losses);
  } finally {
    bare.kill();
    for (const cluster of clusters) await cluster.stop();
  }
  print(figures, (performance.now() - beginMs) / 1000);
}

function addRows(note, rows) {
  for (const [name, { results }] of rows) {
    const of = (pick) =>
      Object.fromEntries(Object.entries(results).map(([subject, all]) => [subject, median(all.map(pick))]));
    note(
      name,
      'per second',
      of(({ perSecond }) => perSecond),
      'more',
    );
    note(
      `${name}, p50`,
      'ms',
      of(({ p50Ms }) => p50Ms),
    );
    note(
      `${name}, p99`,
      'ms',
      of(({ p99Ms }) => p99Ms),
    );
  }
}

function print(figures, tookSeconds) {
  const digits = (value) =>
    value === undefined ? '' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  console.log(
    `\n${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s after ${WARM_UP} s of the same load, medians; the whole run took ${tookSeconds.toFixed(0)} s\n`,
  );
  console.log(`| what | unit | coffer |${peer ? ' peer | coffer is |' : ''}`);
  console.log(`| --- | --- | ---: |${peer ? ' ---: | ---: |' : ''}`);
  for (const { name, unit, values, better } of figures) {
    let line = `| ${name} | ${unit} | ${digits(values.coffer)} |`;
    if (peer) {
      const ratio = better === 'more' ? values.coffer / values.peer : values.peer / values.coffer;
      const words =
        Number.isFinite(ratio) && ratio > 0 ? `${ratio.toFixed(2)} × ${better === 'more' ? 'as fast' : 'better'}` : '';
      line += ` ${digits(values.peer)} | ${words} |`;
    }
    console.log(line);
  }
}

if (process.argv[2] === '--bare-server') {
  const body = Buffer.from(JSON.stringify({ data: { data: { value: 'x'.repeat(100) } } }));
  const server = createServer((message, response) => {
    message.resume();
    message.on('end', () => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
} else await main();
