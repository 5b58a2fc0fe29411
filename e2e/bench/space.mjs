/**
 * How much disk a node takes while a million short-lived keys are written and deleted beside others that live, and how soon
 * it gives it back. One node in this process, without HTTP. `node e2e/bench/space.mjs [live keys] [short-lived keys]`
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRaftNode } from '@coffer/cluster';
import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import { pause } from '../program.mjs';

const liveKeys = Number(process.argv[2] ?? 100_000);
const shortKeys = Number(process.argv[3] ?? 1_000_000);
const path = mkdtempSync(join(tmpdir(), 'coffer-space-'));

/** A node alone has nobody to talk to. */
const transport = new Proxy(
  { forward: { serve: () => undefined, call: () => Promise.reject(new Error('nobody there')) } },
  { get: (target, name) => target[name] ?? (() => undefined) },
);

const size = (name) => {
  try {
    return statSync(join(path, name)).size;
  } catch {
    return 0;
  }
};
const diskBytes = () => readdirSync(path).reduce((sum, name) => sum + size(name), 0);
const mib = (bytes) => Math.round(bytes / 1048576);

const node = openRaftNode({
  config: {
    path,
    nodeId: 'alone',
    apiAddress: '',
    clusterAddress: 'https://127.0.0.1:1',
    listenAddress: '127.0.0.1:0',
    performanceMultiplier: 1,
    logEntriesMax: 20_000,
    logBytesMax: 64 << 20,
    entryBytesMax: 1 << 20,
  },
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  transport,
});
try {
  await node.open();
  await node.bootstrap('space');
  const { epoch } = node.state();
  /** A thousand operations in forty batches at once. */
  const write = (ops) =>
    Promise.all(
      Array.from({ length: Math.ceil(ops.length / 25) }, (_, at) =>
        node.write({ epoch, ops: ops.slice(at * 25, at * 25 + 25) }),
      ),
    );
  const thousand = (prefix, valueBytes) =>
    Array.from({ length: 1000 }, () => ({
      kind: 'put',
      key: `${prefix}/${randomBytes(16).toString('hex')}`,
      value: randomBytes(valueBytes),
    }));

  let liveBytes = 0;
  for (let at = 0; at < liveKeys; at += 1000) {
    const ops = thousand('logical/mount', 600);
    liveBytes += ops.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    await write(ops);
  }
  const started = Date.now();
  const waiting = [];
  let peak = 0;
  for (let at = 0; at < shortKeys; at += 1000) {
    const ops = thousand('sys/token/id', 250);
    await write(ops);
    waiting.push(ops.map(({ key }) => ({ kind: 'delete', key })));
    if (waiting.length > 20) await write(waiting.shift());
    if (at % 20_000 === 0) peak = Math.max(peak, diskBytes());
  }
  for (const deletes of waiting) await write(deletes);
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `live ${mib(liveBytes)} MiB; ${shortKeys} keys written and deleted in ${seconds} s; at most ${mib(peak)} MiB`,
  );
  for (let second = 0; second <= 60; second += 5) {
    const { logBytes } = node.status();
    const ratio = (diskBytes() / liveBytes).toFixed(2);
    console.log(`after ${second} s: ${mib(diskBytes())} MiB on disk, of them log ${mib(logBytes)}: ${ratio} x live`);
    await pause(5000);
  }
  await node.close();
} finally {
  rmSync(path, { recursive: true, force: true });
}
