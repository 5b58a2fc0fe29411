#!/usr/bin/env node
/**
 * `node e2e/bench/reads-on-three.mjs`: what a read costs on each node of a cluster of three, in processor time rather than
 * by the clock, so that it can be told on a machine with fewer cores than nodes (and under other load) how reads scale
 * where each node has a core. Linearizable KV 2 reads of 4 KiB; prints figures and judges only two things, by its exit
 * code: that standbys serve reads themselves, and that none was stale.
 *
 *   BENCH_SECONDS=4   how long each measurement takes
 *
 * What is derived: with one core for each node, standbys serve 1 / s reads a second (s: processor time of a read there);
 * the leader has left what their questions for a read index do not take of it (q for each of their reads), and serves
 * reads at l each. Three nodes against one: (2 / s + (1 - 2 q / s) / l) × l.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../cluster.mjs';
import { freePort, node as nodeBinary } from '../program.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const VALUE_BYTES = 4096;
/** Clock ticks of /proc a second; 100 on Linux. */
const TICKS = 100;

function load(job) {
  return new Promise((resolve, reject) => {
    const child = spawn(nodeBinary, [join(here, 'load.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`load ended with ${code}`)),
    );
    child.stdin.end(JSON.stringify({ connections: 32, seconds: SECONDS, warmUpSeconds: 0, ...job }));
  });
}

/** Processor time of a process so far, all its threads, in milliseconds. */
function cpuMs({ process }) {
  const fields = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

async function prepare(cluster) {
  const active = await cluster.active();
  const ok = async (method, path, body) => {
    const { status, body: answer } = await cluster.request(active, method, path, { body });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(answer)}`);
  };
  await ok('POST', 'sys/mounts/reads', { type: 'kv', options: { version: '2' } });
  const paths = Array.from({ length: 50 }, (_, number) => `reads/data/key-${number}`);
  for (const path of paths) await ok('POST', path, { data: { value: 'x'.repeat(VALUE_BYTES) } });
  const requests = paths.map(
    (path) => `GET /v1/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: ${cluster.token}\r\n\r\n`,
  );
  const standbys = await cluster.standbys();
  return { active, standbys, nodes: [active, ...standbys], requests };
}

/** Reads through some nodes at once. @returns reads of each, and the processor time of all three */
async function measure({ nodes, requests }, through, seconds = SECONDS) {
  const before = nodes.map(cpuMs);
  const results = await Promise.all(through.map(({ apiPort }) => load({ port: apiPort, requests, seconds })));
  const cpu = nodes.map((node, index) => cpuMs(node) - before[index]);
  const failures = results.reduce((sum, result) => sum + result.failures, 0);
  if (failures > 0) throw new Error(`${failures} reads failed`);
  return { counts: results.map(({ count }) => count), perSecond: results.map(({ perSecond }) => perSecond), cpu };
}

/** A cluster whose nodes talk through counters of bytes. */
async function bytesBetweenNodes() {
  let bytes = 0;
  const servers = [];
  const advertise = async ({ clusterPort }) => {
    const port = await freePort();
    const server = createServer((inner) => {
      const outer = connect(clusterPort, '127.0.0.1');
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ]) {
        from.on('data', (data) => {
          bytes += data.length;
          to.write(data);
        });
        from.on('close', () => to.destroy());
        from.on('error', () => {});
      }
    });
    servers.push(server);
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    return port;
  };
  const cluster = await Cluster.start({ nodes: 3, advertise });
  try {
    const prepared = await prepare(cluster);
    const before = bytes;
    const { counts } = await measure(prepared, prepared.standbys, Math.min(SECONDS, 3));
    return (bytes - before) / counts.reduce((sum, count) => sum + count, 0);
  } finally {
    await cluster.stop();
    for (const server of servers) server.close();
  }
}

/** Writes through one node, each followed by a read through another, under load. @returns how many reads were stale */
async function staleReads(cluster, prepared, pairs) {
  let stale = 0;
  const under = measure(prepared, prepared.nodes, 3);
  for (let count = 1; count <= pairs; count++) {
    const writer = cluster.nodes[count % 3];
    const reader = cluster.nodes[(count + 1) % 3];
    const written = await cluster.request(writer, 'POST', 'reads/data/counter', { body: { data: { count } } });
    if (written.status !== 200) throw new Error(`the write answered ${written.status}`);
    const read = await cluster.request(reader, 'GET', 'reads/data/counter');
    if (read.body?.data?.data?.count !== count) stale++;
  }
  await under;
  return stale;
}

const cluster = await Cluster.start({ nodes: 3 });
let stale;
try {
  const prepared = await prepare(cluster);
  const { active, standbys, nodes } = prepared;
  // every code path is warm before it counts
  await measure(prepared, nodes, 2);
  const cost = ({ counts, cpu }, index) => (cpu[index] / counts.reduce((sum, count) => sum + count, 0)) * 1000;
  const rows = [];
  const leader = await measure(prepared, [active]);
  rows.push(['leader', leader, cost(leader, 0), 0]);
  for (const [index, standby] of standbys.entries()) {
    const measured = await measure(prepared, [standby]);
    rows.push([`standby ${index + 1}`, measured, cost(measured, index + 1), cost(measured, 0)]);
  }
  console.log('processor milliseconds for 1,000 linearizable KV 2 reads (4 KiB), one node asked at a time');
  console.log('asked         reads/s   at the node   at the leader for it');
  for (const [name, { perSecond }, own, atLeader] of rows)
    console.log(
      `${name.padEnd(12)} ${perSecond[0].toFixed(0).padStart(8)} ${own.toFixed(1).padStart(13)} ${atLeader.toFixed(1).padStart(22)}`,
    );
  const together = await measure(prepared, nodes);
  const total = together.perSecond.reduce((sum, each) => sum + each, 0);
  const totalCpu = together.cpu.reduce((sum, each) => sum + each, 0);
  console.log(
    `all three at once: ${total.toFixed(0)} reads/s, ${((totalCpu / together.counts.reduce((sum, each) => sum + each, 0)) * 1000).toFixed(1)} ms for 1,000`,
  );
  const l = rows[0][2];
  const s = (rows[1][2] + rows[2][2]) / 2;
  const q = (rows[1][3] + rows[2][3]) / 2;
  const factor = (2 / s + Math.max(0, 1 - (2 * q) / s) / l) * l;
  console.log(`with a core for each node, three nodes against one: × ${factor.toFixed(2)}`);
  stale = await staleReads(cluster, prepared, 500);
  console.log(`stale reads, 500 writes each read through another node under load: ${stale}`);
} finally {
  await cluster.stop();
}
const perRead = await bytesBetweenNodes();
const forwardedMost = perRead / VALUE_BYTES;
console.log(
  `bytes between the nodes for each read on a standby: ${perRead.toFixed(0)}; forwarded at most ${(forwardedMost * 100).toFixed(1)} % (a forwarded answer is ${VALUE_BYTES} bytes and more)`,
);
process.exit(stale === 0 && forwardedMost < 0.25 ? 0 : 1);
