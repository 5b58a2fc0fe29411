/**
 * A follower is down for an hour of writes: what the active node's memory and disk do meanwhile, and how long the follower
 * takes to catch up when it comes back. The hour is as many writes as it has at a sustained rate, made as fast as they go.
 *
 *   node e2e/bench/hour-down.mjs [writes] [bytes] [keys]     1,800,000 writes (500 a second) of 512 bytes to 100,000 keys
 *
 * Writes go on at RATE while it catches up.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Cluster } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

const writes = Number(process.argv[2] ?? 1_800_000);
const bytes = Number(process.argv[3] ?? 512);
const keys = Number(process.argv[4] ?? 100_000);
/** Writes a second at which the hour is counted, and which go on while the follower catches up. */
const RATE = 500;
const CONNECTIONS = 48;

const residentMiB = (node) => Math.round(node.process.residentMiB);

/** Files come and go while they are counted. */
function diskBytes(folder) {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    sum += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}
const diskMiB = (node) => Math.round(diskBytes(node.folder) / 1024 / 1024);

/** Writers over bare connections, one request at a time on each; `more()` says whether there is another one. */
class Writers {
  done = 0;
  failed = 0;
  #text;
  #port;
  #next = 0;

  constructor(node, token) {
    this.#port = node.apiPort;
    const body = JSON.stringify({ padding: 'x'.repeat(bytes - 14) });
    this.#text = (at) =>
      `PUT /v1/kv/hour-${at % keys} HTTP/1.1\r\nhost: localhost\r\nx-vault-token: ${token}\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`;
  }

  async run(connections, more, gapMs = 0) {
    await Promise.all(Array.from({ length: connections }, () => this.#drive(more, gapMs)));
  }

  #drive(more, gapMs) {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#port, '127.0.0.1');
      socket.setNoDelay(true);
      const next = () => {
        if (more()) socket.write(this.#text(this.#next++));
        else socket.destroy();
      };
      socket.on('connect', next);
      socket.on('data', (data) => {
        const text = data.toString('latin1');
        if (!text.endsWith('\r\n\r\n')) reject(new Error(`an answer that is no 204: ${text.slice(0, 300)}`));
        if (text.startsWith('HTTP/1.1 204')) this.done++;
        else this.failed++;
        if (gapMs === 0) next();
        else setTimeout(next, gapMs);
      });
      socket.on('error', reject);
      socket.on('close', resolve);
    });
  }
}

/** The index of the log that a member has, as the active node knows it. */
async function lastIndex(cluster, active, id) {
  const { body } = await cluster.request(active, 'GET', 'sys/storage/raft/autopilot/state');
  return body.data.servers[id]?.last_index ?? 0;
}

const cluster = await Cluster.start({ nodes: 3 });
try {
  const active = await cluster.active();
  await cluster.mountKv();
  const [absent, other] = await cluster.standbys();
  const writers = new Writers(active, cluster.token);
  let left = keys;
  await writers.run(CONNECTIONS, () => left-- > 0);
  await pause(5000);
  const before = { memory: residentMiB(active), disk: diskMiB(active) };
  console.log(`${keys} keys are there: ${before.memory} MiB resident, ${before.disk} MiB on disk`);

  await cluster.kill(absent);
  const started = Date.now();
  const peak = { memory: 0, disk: 0, other: 0 };
  left = writes;
  writers.done = 0;
  const sample = setInterval(() => {
    peak.memory = Math.max(peak.memory, residentMiB(active));
    peak.other = Math.max(peak.other, residentMiB(other));
  }, 500);
  const show = setInterval(() => {
    const disk = diskMiB(active);
    peak.disk = Math.max(peak.disk, disk);
    const seconds = Math.round((Date.now() - started) / 1000);
    if (seconds % 30 < 5)
      console.log(`${seconds} s: ${writers.done} writes, ${residentMiB(active)} MiB resident, ${disk} MiB on disk`);
  }, 5000);
  await writers.run(CONNECTIONS, () => left-- > 0);
  const seconds = (Date.now() - started) / 1000;
  clearInterval(sample);
  clearInterval(show);
  await pause(5000);
  const after = { memory: residentMiB(active), disk: diskMiB(active) };

  let going = true;
  const steady = new Writers(active, cluster.token);
  const meanwhile = steady.run(RATE / 10, () => going, 95);
  const target = await lastIndex(cluster, active, active.id);
  const peakBack = { memory: 0, disk: 0 };
  const sampleBack = setInterval(() => {
    peakBack.memory = Math.max(peakBack.memory, residentMiB(active));
    peakBack.disk = Math.max(peakBack.disk, diskMiB(active));
  }, 500);
  const returned = Date.now();
  await cluster.launch(absent);
  await cluster.unseal(absent);
  const up = Date.now();
  await eventually(
    'the follower has caught up',
    async () => (await lastIndex(cluster, active, absent.id)) >= target,
    600_000,
    100,
  );
  const caughtUp = Date.now();
  await cluster.ready();
  const served = Date.now();
  going = false;
  await meanwhile;
  clearInterval(sampleBack);
  const follower = { memory: residentMiB(absent), disk: diskMiB(absent) };
  const row = {
    writes,
    bytes,
    keys,
    failed: writers.failed + steady.failed,
    'writes per second': Math.round(writes / seconds),
    'active node before MiB': before.memory,
    'at most': peak.memory,
    after: after.memory,
    'while it catches up': peakBack.memory,
    'other follower at most': peak.other,
    'disk before MiB': before.disk,
    'disk at most': peak.disk,
    'disk after': after.disk,
    'disk while it catches up': peakBack.disk,
    'started and unsealed s': (up - returned) / 1000,
    'caught up s': (caughtUp - returned) / 1000,
    'serving s': (served - returned) / 1000,
    'writes meanwhile': steady.done,
    'follower MiB': follower.memory,
    'follower disk MiB': follower.disk,
  };
  console.log(JSON.stringify(row));
  console.table(row);
} finally {
  await cluster.stop();
}
