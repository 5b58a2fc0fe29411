/**
 * What a node's memory does while a follower is down, while one does not read, and while a peer's forwarded requests flood
 * in: resident memory before, during and after, of three real nodes. `node e2e/bench/memory.mjs [writes] [bytes]`
 */
import { readFileSync } from 'node:fs';
import { Cluster } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

const writes = Number(process.argv[2] ?? 20_000);
const bytes = Number(process.argv[3] ?? 4096);

const residentMiB = (node) => Math.round(node.process.residentMiB);

/** Writes so much through nodes, many at a time; returns the largest memory of the watched node meanwhile. */
async function load(cluster, nodes, watched, name, count = writes) {
  let next = 0;
  let peak = 0;
  let failed = 0;
  const body = { padding: 'x'.repeat(bytes) };
  const one = async () => {
    for (let at = next++; at < count; at = next++) {
      const answer = await cluster
        .request(nodes[at % nodes.length], 'PUT', `kv/${name}-${at % 2000}`, { body, timeoutMs: 30_000 })
        .catch(() => undefined);
      if (answer?.status !== 204) failed++;
      if (at % 50 === 0) peak = Math.max(peak, residentMiB(watched));
    }
  };
  await Promise.all(Array.from({ length: 32 }, one));
  return { peak, failed };
}

const cluster = await Cluster.start({ nodes: 3 });
const rows = [];
const show = (what, before, { peak, failed }, after) => {
  rows.push({ what, 'before MiB': before, 'peak MiB': peak, 'after MiB': after, writes, failed });
  console.log(JSON.stringify(rows.at(-1)));
};
try {
  const active = await cluster.active();
  await cluster.request(active, 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
  const [first, second] = await cluster.standbys();
  let before = residentMiB(active);
  let found = await load(cluster, [active], active, 'warm');
  show('all well', before, found, residentMiB(active));

  before = residentMiB(active);
  await cluster.kill(first);
  found = await load(cluster, [active], active, 'down');
  show('a follower is down', before, found, residentMiB(active));
  await cluster.restart(first);
  await cluster.ready();
  await pause(3000);
  show('and has come back', before, { peak: residentMiB(active), failed: 0 }, residentMiB(active));

  before = residentMiB(active);
  second.process.signal('SIGSTOP');
  found = await load(cluster, [active], active, 'stopped');
  show('a follower does not read', before, found, residentMiB(active));
  second.process.signal('SIGCONT');
  await eventually('it catches up', async () => (await cluster.request(second, 'GET', 'kv/stopped-1')).status === 200);

  before = residentMiB(active);
  found = await load(cluster, [first, second], active, 'flood');
  show('both followers forward', before, found, residentMiB(active));
} finally {
  await cluster.stop();
}
console.table(rows);
