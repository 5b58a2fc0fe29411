/** What a node is flooded with at its cluster port, and how it bears it; shared by the test and the benchmark. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createClusterTls } from '../libs/cluster/dist/index.js';
import { encodeRequest } from '../libs/gateway/dist/index.js';
import { Secret, systemClock, systemRandom } from '../libs/kernel/dist/index.js';
import { ROOT_NAMESPACE } from '../libs/sdk/dist/index.js';
import { authorityOf, enter, helloOf, leafOf, nameOf } from './cluster-port.mjs';
import { node as nodeProgram, pause, root } from './program.mjs';

/** Tests may look at the record with the authority's key. */
export const FLOOD_SETTINGS = 'raw_storage_endpoint = true\n';

/** By anybody, then by who has a member's key. */
export const FLOODS = [
  { kind: 'silent', what: 'connections that say nothing', connections: 2000 },
  { kind: 'unfinished', what: 'handshakes that never end', connections: 2000 },
  { kind: 'garbage', what: 'garbage', connections: 200 },
  { kind: 'foreign', what: 'certificates of another authority', connections: 50 },
  { kind: 'mute', what: 'no hello', connections: 200, member: true },
  { kind: 'idle', what: 'connections without end', connections: 500, member: true },
  { kind: 'huge', what: 'frames of 64 MiB, never ended', connections: 16, member: true },
  { kind: 'small', what: 'small frames of an old term', connections: 4, member: true },
  { kind: 'old appends', what: 'entries of an old term, 1 MiB each', connections: 4, member: true },
  { kind: 'snapshots', what: 'snapshots begun, never ended', connections: 50, member: true },
  { kind: 'requests', what: 'forwarded requests, answers not read', connections: 4, member: true },
];

/** Bytes of the value that is read by forwarded requests. */
const ANSWER_BYTES = 256 * 1024;

const residentMiB = (node) => Math.round(node.process.residentMiB);

/** Descriptors: connections, above all. */
const descriptors = (node) => readdirSync(`/proc/${node.process.pid}/fd`).length;

/** Where a flooded cluster stands. The flood comes in the name of one standby; `quiet` is the other one. */
export async function prepare(cluster) {
  const active = await cluster.active();
  const [rogue, quiet] = await cluster.standbys();
  await cluster.mountKv();
  await cluster.request(active, 'PUT', 'kv/large', { body: { padding: 'x'.repeat(ANSWER_BYTES) } });
  const authority = await authorityOf(cluster, active);
  const foreign = await createClusterTls(systemClock, systemRandom);
  const who = await nameOf(cluster, rogue);
  // A node says its number in its hello.
  const numberOf = async (node, as) => {
    const socket = await enter(node, await leafOf(authority, as.id), 'coffer-forward/1', await nameOf(cluster, as));
    socket.destroy();
    return socket.hello.peer;
  };
  const request = encodeRequest(
    {
      id: 'flood',
      operation: 'read',
      namespace: ROOT_NAMESPACE,
      path: 'kv/large',
      data: {},
      token: new Secret(cluster.token),
      headers: {},
      connection: { remoteAddress: '127.0.0.1', remotePort: 1 },
      deadlineMs: 60_000,
      noForwarding: false,
      allowStale: false,
    },
    0,
  );
  return {
    cluster,
    active,
    rogue,
    quiet,
    leaf: await leafOf(authority, rogue.id),
    foreign: await leafOf(foreign, rogue.id),
    from: await numberOf(rogue, quiet),
    to: await numberOf(active, quiet),
    hello: helloOf(who),
    request: Buffer.from(request).toString('base64'),
  };
}

function runFlooder(job) {
  return new Promise((resolve, reject) => {
    const child = spawn(nodeProgram, [`${root}/e2e/flooder.mjs`], { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => (text += data));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`flooder: ${code}`))));
    child.stdin.end(JSON.stringify(job));
  });
}

/**
 * Floods the active node for some seconds while clients write through it and through the quiet standby.
 *
 * @param seconds how long; then it rests for `restMs` before it is looked at what is left
 * @param meanwhile done during the flood, e.g. another node starts
 * @returns {Promise<{what, before, peak, after, connectionsMax, opened, writes, failures, sameLeader}>} memory in MiB
 */
export async function flood(
  place,
  { kind, what, connections, member },
  { seconds, restMs = 3000, meanwhile = () => undefined },
) {
  const { cluster, active, quiet } = place;
  const before = residentMiB(active);
  const descriptorsBefore = descriptors(active);
  const seen = { peak: 0, connectionsMax: 0 };
  const look = () => {
    seen.peak = Math.max(seen.peak, residentMiB(active));
    seen.connectionsMax = Math.max(seen.connectionsMax, descriptors(active) - descriptorsBefore);
  };
  const watching = setInterval(look, 50);
  const failures = [];
  let writes = 0;
  let over = false;
  const write = async (node) => {
    for (let count = 0; !over; count++) {
      const { status } = await cluster
        .request(node, 'PUT', `kv/flood-${node.id}`, { body: { count }, timeoutMs: 30_000 })
        .catch((error) => ({ status: error.cause?.code ?? error.message }));
      if (status === 204) writes++;
      else failures.push(`${kind}: ${status} through ${node.id}`);
    }
  };
  const writing = Promise.all([write(active), write(quiet)]);
  const { certificate, key } = member ? place.leaf : place.foreign;
  const job = {
    kind,
    port: active.clusterPort,
    seconds,
    connections,
    certificate,
    key: key.reveal(),
    from: place.from,
    to: place.to,
    ...(member ? { hello: place.hello } : {}),
    request: place.request,
  };
  try {
    const [result] = await Promise.all([runFlooder(job), meanwhile()]);
    look();
    over = true;
    await writing;
    await pause(restMs);
    const now = await cluster.active();
    return {
      what,
      before,
      peak: seen.peak,
      after: residentMiB(active),
      connectionsMax: seen.connectionsMax,
      left: descriptors(active) - descriptorsBefore,
      opened: result.opened,
      sentMiB: Math.round(result.bytes / 1024 / 1024),
      writes,
      failures,
      sameLeader: now === active,
    };
  } finally {
    over = true;
    clearInterval(watching);
  }
}
