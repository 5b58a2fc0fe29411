/**
 * Disks that are full, fail, hang, lose power or rot, and processes that are paused. `COFFER_FAULT_ROUNDS` makes it longer;
 * random faults under many clients are in `e2e/chaos`.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';
import { SmallDisk, noSmallDisks } from '../small-disk.mjs';
import { mustHold, writer } from '../writers.mjs';

const rounds = Number(process.env.COFFER_FAULT_ROUNDS ?? 3);
const noDisks = noSmallDisks();
if (noDisks) console.log(`skipped: full, failing and stuck disks and loss of power: ${noDisks}`);

const health = async (node) => (await call(node.url, 'GET', 'sys/health')).body;
describe('a cluster of three on small disks', { skip: noDisks !== undefined && noDisks }, () => {
  let cluster;
  const disks = new Map();
  before(async () => {
    cluster = await Cluster.start({
      nodes: 3,
      advertise: (node) => {
        disks.set(node.id, new SmallDisk(node.folder));
        return node.clusterPort;
      },
    });
    await cluster.mountKv();
  });
  after(async () => {
    await cluster?.stop({ keepData: true });
    for (const disk of disks.values()) disk.remove();
    cluster?.remove();
  });

  async function recovers(node, acknowledged) {
    await eventually(`${node.id} is well again`, async () =>
      [200, 429].includes((await call(node.url, 'GET', 'sys/health')).status),
    );
    await cluster.ready();
    await mustHold(cluster, [node], acknowledged);
  }

  for (const which of ['active node', 'first standby']) {
    it(`goes on while the disk of the ${which} is full, and takes it back when there is room`, async () => {
      const node = which === 'first standby' ? (await cluster.standbys())[0] : await cluster.active();
      const others = cluster.nodes.filter((other) => other !== node);
      const disk = disks.get(node.id);
      const writing = writer(cluster, others, `full-${which.slice(0, 3)}`);
      disk.fill();
      await eventually(
        'the node says that its disk is full',
        async () => (await health(node)).storage_status === 'full',
      );
      assert.equal((await call(node.url, 'GET', 'sys/health?standbyok=true')).status, 474);
      assert.equal((await call(node.url, 'GET', 'sys/health?haunhealthycode=299')).status, 299);
      const before = writing.acknowledged.length;
      await eventually('writes go on', async () => writing.acknowledged.length > before + 20);
      const status = await cluster.request(node, 'GET', 'sys/storage/raft/status?', {
        headers: { 'X-Vault-Inconsistent': 'allow-stale' },
      });
      assert.ok([200, 503].includes(status.status), `status ${status.status}`);
      disk.free();
      await eventually(`${node.id} works again`, async () => (await health(node)).storage_status === undefined);
      await writing.stop();
      await recovers(node, writing.acknowledged);
      assert.match(node.process.log, /No space left on device/);
      assert.match(node.process.log, /the disk works again and was opened anew/);
    });
  }

  it('goes on while the disk of the active node hangs, and takes it back when it works', async () => {
    const node = await cluster.active();
    const others = cluster.nodes.filter((other) => other !== node);
    const disk = disks.get(node.id);
    disk.freeze();
    const writing = writer(cluster, others, 'stuck');
    try {
      // a write that hangs is what shows it
      void cluster.request(node, 'PUT', 'kv/hangs', { body: { a: 'b' } }).catch(() => undefined);
      await eventually(
        'the node says that its disk hangs',
        async () => (await health(node)).storage_status === 'stuck',
      );
      await eventually('another node is active', async () => {
        const states = await Promise.all(others.map((other) => call(other.url, 'GET', 'sys/health')));
        return states.some(({ status }) => status === 200);
      });
      const before = writing.acknowledged.length;
      await eventually('writes go on', async () => writing.acknowledged.length > before + 20);
    } finally {
      disk.thaw();
    }
    await writing.stop();
    await recovers(node, writing.acknowledged);
  });

  it('goes on while the device of the active node fails for real, and takes it back after a repair', async () => {
    const node = await cluster.active();
    const others = cluster.nodes.filter((other) => other !== node);
    const disk = disks.get(node.id);
    const writing = writer(cluster, others, 'broken', { bytes: 20_000 });
    disk.breakDevice();
    await eventually('the node says that its disk fails', async () => {
      const { storage_status: status } = await health(node);
      return status === 'failed' || status === 'full' || status === 'damaged';
    });
    const before = writing.acknowledged.length;
    await eventually('writes go on', async () => writing.acknowledged.length > before + 20);
    await cluster.kill(node);
    disk.repairDevice();
    await cluster.restart(node);
    await writing.stop();
    await recovers(node, writing.acknowledged);
  });
});

describe('a node alone that loses power', { skip: noDisks !== undefined && noDisks }, () => {
  it('has everything that was acknowledged, at whichever instant', async () => {
    let disk;
    const cluster = await Cluster.start({
      nodes: 1,
      advertise: (node) => {
        disk = new SmallDisk(node.folder, { imageMiB: 200, poolMiB: 256 });
        return node.clusterPort;
      },
    });
    const [node] = cluster.nodes;
    const copies = new Set();
    try {
      await cluster.mountKv();
      for (let round = 0; round < rounds; round++) {
        const writers = Array.from({ length: 8 }, (_, at) => writer(cluster, [node], `power-${round}-${at}`));
        await eventually('there are writes', async () => writers.every((each) => each.acknowledged.length > 10));
        await pause(500 * Math.random());
        node.process.signal('SIGSTOP');
        const acknowledged = writers.flatMap((each) => [...each.acknowledged]);
        // after the last sync of the node, which takes everything along
        const threads = `/proc/${node.process.pid}/task`;
        await eventually('the node is paused', async () =>
          readdirSync(threads).every((id) => /^State:\s+T/m.test(readFileSync(join(threads, id, 'status'), 'utf8'))),
        );
        writeFileSync(join(node.folder, 'unsynced'), `${round}`);
        const copyFolder = join(cluster.folder, `copy-${round}`);
        const copy = disk.afterPowerLoss(copyFolder);
        copies.add(copy);
        node.process.signal('SIGCONT');
        await Promise.all(writers.map((each) => each.stop()));
        // the copy is one of a disk without power: what nobody synced is not on it
        assert.equal(existsSync(join(copyFolder, 'unsynced')), false);
        rmSync(join(node.folder, 'unsynced'));
        await node.process.end();
        const whole = node.folder;
        node.folder = copyFolder;
        cluster.configure(node);
        await cluster.restart(node);
        await cluster.ready();
        await mustHold(cluster, [node], acknowledged);
        await node.process.end();
        copies.delete(copy);
        copy.remove();
        node.folder = whole;
        cluster.configure(node);
        await cluster.restart(node);
        await cluster.ready();
      }
    } finally {
      await cluster.stop({ keepData: true });
      for (const copy of copies) copy.remove();
      disk.remove();
      cluster.remove();
    }
  });
});

describe('a cluster of three', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.mountKv();
  });
  after(() => cluster?.stop());

  it('gets neither stale reads nor acknowledged writes from an active node that was paused', async () => {
    for (let round = 0; round < rounds; round++) {
      const paused = await cluster.active();
      const others = cluster.nodes.filter((node) => node !== paused);
      await cluster.request(paused, 'PUT', 'kv/paused', { body: { value: `old-${round}` } });
      paused.process.signal('SIGSTOP');
      // these wait in its sockets, and it sees them before it hears that it leads no more
      const reads = Array.from({ length: 20 }, () =>
        cluster.request(paused, 'GET', 'kv/paused', { timeoutMs: 30_000 }),
      );
      const write = cluster.request(paused, 'PUT', `kv/while-paused-${round}`, { body: { a: 'b' }, timeoutMs: 30_000 });
      const settled = Promise.allSettled([...reads, write]);
      await eventually('another node takes over', async () => {
        const written = await cluster.request(others[0], 'PUT', 'kv/paused', { body: { value: `new-${round}` } });
        return written.status === 204;
      });
      paused.process.signal('SIGCONT');
      const answers = await settled;
      for (const { value: answer } of answers.slice(0, -1)) {
        if (answer?.status === 200) assert.equal(answer.body.data.value, `new-${round}`);
      }
      const written = answers.at(-1).value;
      if (written?.status === 204) {
        for (const node of cluster.nodes)
          assert.equal((await cluster.request(node, 'GET', `kv/while-paused-${round}`)).status, 200);
      }
      await cluster.ready();
    }
  });

  it('goes on without a node whose files are damaged, which says how it comes back, and comes back so', async () => {
    const writing = writer(cluster, cluster.nodes, 'rot');
    await eventually('there is data', async () => writing.acknowledged.length > 200);
    await writing.stop();
    const [node] = await cluster.standbys();
    // twice, so that there are tables and not only a write-ahead log
    for (let time = 0; time < 2; time++) {
      await node.process.end();
      await cluster.restart(node);
    }
    await node.process.end();
    const table = readdirSync(node.folder)
      .filter((name) => name.endsWith('.ldb'))
      .map((name) => join(node.folder, name))
      .sort((left, right) => readFileSync(right).length - readFileSync(left).length)[0];
    const bytes = readFileSync(table);
    bytes[bytes.length >> 1] ^= 0xff;
    writeFileSync(table, bytes);
    node.damaged = true;
    await cluster.launch(node).catch(() => undefined);
    await eventually('the damage is found', async () => {
      if (!node.process.alive) return true;
      return (await health(node)).storage_status === 'damaged';
    });
    assert.match(node.process.log, /the database is damaged .*start this node with an empty one: it joins again/);
    const other = cluster.nodes.find((each) => each !== node);
    assert.equal((await cluster.request(other, 'PUT', 'kv/meanwhile', { body: { a: 'b' } })).status, 204);
    await node.process.end();
    renameSync(node.folder, `${node.folder}-damaged`);
    mkdirSync(node.folder);
    await cluster.restart(node);
    await cluster.ready();
    await mustHold(cluster, [node], writing.acknowledged);
  });
});
