/** How each kind of fault of a plan is done to a cluster, and undone. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { call } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';
import { RECOVERY_MS_MAX } from './chaos-cluster.mjs';
import { resetConnections } from './http-client.mjs';
import { restoreUnder } from './restore-faults.mjs';

/** What this machine offers for faults that need more than signals. @returns {Set<string>} */
export function whatTheMachineOffers(scratch) {
  const offers = new Set();
  if (process.getuid?.() === 0) {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', scratch]).status === 0;
    if (mounted) {
      execFileSync('umount', [scratch]);
      offers.add('tmpfs');
    }
  }
  const traced = spawnSync('strace', ['-e', 'inject=fdatasync:delay_enter=1', '-o', '/dev/null', 'true']);
  if (traced.status === 0) offers.add('strace');
  return offers;
}

/**
 * Does one fault of a plan from its start to its end.
 *
 * @param {object} fault as `planRound` makes it
 * @param {import('./chaos-cluster.mjs').ChaosCluster} cluster
 * @param {(what: string) => void} note what was really done, to whom
 * @param {import('./history.mjs').History} history of what clients saw; restores are part of it
 */
export async function doFault(fault, cluster, note, history) {
  const work = fault.restore ? restoreUnder((kind, other) => KINDS[kind](other)) : KINDS[fault.kind];
  if (!work) throw new Error(`no such fault: ${fault.kind}`);
  await work({ ...fault, cluster, note, history, hold: () => pause(fault.forMs) });
}

const nodeOf = ({ cluster, node }) => cluster.nodes[node];

/** The leader; where there is none at the moment, the node that the plan names. */
const leaderOr = (fault) => fault.cluster.active().catch(() => nodeOf(fault));

const withLeader = (work) => async (fault) => work({ ...fault, target: await leaderOr(fault) });
const withNode = (work) => (fault) => work({ ...fault, target: nodeOf(fault) });

const kill = async ({ cluster, target, note, hold }) => {
  note(`kill -9 ${target.id}`);
  await cluster.kill(target);
  await hold();
  cluster.revive(target);
};

const freeze = async ({ cluster, target, note, hold }) => {
  note(`stop ${target.id}`);
  cluster.freeze(target);
  await hold();
  cluster.thaw(target);
};

/** Cuts directions between the target and all others. */
const cut =
  (outwards, inwards) =>
  async ({ cluster, target, link, note, hold }) => {
    note(`${link} links of ${target.id}${outwards ? ' outwards' : ''}${inwards ? ' inwards' : ''}`);
    const others = [...cluster.nodes, cluster.guest].filter((node) => node !== target);
    const set = (mode) => {
      for (const { id } of others) {
        if (outwards) cluster.network.set(target.id, id, { mode });
        if (inwards) cluster.network.set(id, target.id, { mode });
      }
    };
    set(link);
    await hold();
    set('pass');
  };

const seal = async ({ cluster, target, note, hold }) => {
  target.wantUnsealed = false;
  const { status } = await cluster
    .request(target, 'PUT', 'sys/seal', { timeoutMs: 15_000 })
    .catch((error) => ({ status: error.name }));
  note(`seal ${target.id}: ${status}`);
  await hold();
  target.wantUnsealed = true;
};

/** Calls of the process to the system are delayed, or fail. */
const trace = (inject, mayEnd) => async (fault) => {
  const { target, note, hold } = fault;
  if (!target.process?.alive) return note(`${target.id} is down already`);
  const injected = inject(fault);
  note(`${target.id}: ${injected}`);
  if (mayEnd) target.mayEnd++;
  const tracer = spawn(
    'strace',
    [
      '-f',
      '-q',
      '-o',
      '/dev/null',
      '-p',
      String(target.process.pid),
      '-e',
      'trace=fdatasync,fsync',
      '-e',
      `inject=fdatasync,fsync:${injected}`,
    ],
    { stdio: 'ignore' },
  );
  const gone = new Promise((resolve) => tracer.once('exit', resolve));
  await hold();
  tracer.kill('SIGINT');
  const timer = setTimeout(() => tracer.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(timer);
  if (mayEnd) after(target, 5_000);
};

/** A fault's effect on a process may come a moment after it. */
const after = (target, ms) => void setTimeout(() => target.mayEnd--, ms).unref();

/** Asks through whichever node answers, until the answer is certain. */
function ask(cluster, method, path, body) {
  return eventually(
    `${method} ${path}`,
    async () => {
      const node = await cluster.active();
      const answer = await cluster.request(node, method, path, { body, timeoutMs: 10_000 });
      if (answer.status >= 500) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      return answer;
    },
    RECOVERY_MS_MAX,
  );
}

async function isMember(cluster, id) {
  const { body } = await ask(cluster, 'GET', 'sys/storage/raft/configuration');
  return body.data.config.servers.some(({ node_id }) => node_id === id);
}

/** Takes a node out of the members for certain. @returns {Promise<boolean>} false where the cluster refuses */
export async function remove(cluster, node, note) {
  return eventually(
    `${node.id} is removed`,
    async () => {
      if (!(await isMember(cluster, node.id))) return true;
      const answer = await ask(cluster, 'POST', 'sys/storage/raft/remove-peer', { server_id: node.id });
      if (answer.status >= 400) note(`remove ${node.id}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return !(await isMember(cluster, node.id));
    },
    RECOVERY_MS_MAX,
  );
}

async function replace({ cluster, target, note }) {
  note(`remove ${target.id}, wipe it, let it join again`);
  if (!(await remove(cluster, target, note))) return;
  await cluster.kill(target);
  cluster.wipe(target);
  cluster.revive(target);
}

async function standbyOf(fault) {
  const leader = await leaderOr(fault);
  const others = fault.cluster.nodes.filter((node) => node !== leader);
  return others[fault.other % others.length];
}

async function restartDatabase({ cluster, note, hold }, signal) {
  await cluster.databaseTurns.take(async () => {
    note(`${signal} to the database`);
    cluster.database.signal('SIGCONT');
    await cluster.database.end(signal);
    await hold();
    // What is left of the former one may be in the way for a moment.
    await eventually('the database is back', () => cluster.database.start().then(() => true));
  });
}

const KINDS = {
  'kill-leader': withLeader(kill),
  'kill-node': withNode(kill),
  'kill-two': async (fault) => {
    const { cluster, note, hold } = fault;
    const two = cluster.nodes.filter((node) => node !== nodeOf(fault));
    note(`kill -9 ${two.map(({ id }) => id).join(' ')}`);
    await Promise.all(two.map((node) => cluster.kill(node)));
    await hold();
    for (const node of two) cluster.revive(node);
  },
  'kill-all': async ({ cluster, note, hold }) => {
    note('kill -9 all');
    await Promise.all(cluster.nodes.map((node) => cluster.kill(node)));
    await hold();
    for (const node of cluster.nodes) cluster.revive(node);
  },
  'stop-gracefully': withNode(async ({ cluster, target, note, hold }) => {
    note(`SIGTERM ${target.id}`);
    await cluster.kill(target, 'SIGTERM');
    await hold();
    cluster.revive(target);
  }),
  'pause-leader': withLeader(freeze),
  'pause-node': withNode(freeze),
  'slow-node': withNode(async ({ cluster, target, forMs, note }) => {
    note(`stop ${target.id} in bursts`);
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      cluster.freeze(target);
      await pause(60);
      cluster.thaw(target);
      await pause(20);
    }
  }),
  'isolate-leader': withLeader(cut(true, true)),
  'isolate-node': withNode(cut(true, true)),
  'deafen-leader': withLeader(cut(false, true)),
  'mute-leader': withLeader(cut(true, false)),
  'split-pair': async (fault) => {
    const { cluster, link, note, hold } = fault;
    const [one, two] = cluster.nodes.filter((node) => node !== nodeOf(fault));
    note(`${link} links between ${one.id} and ${two.id}`);
    const set = (mode) => {
      cluster.network.set(one.id, two.id, { mode });
      cluster.network.set(two.id, one.id, { mode });
    };
    set(link);
    await hold();
    set('pass');
  },
  'delay-links': withNode(async ({ cluster, target, delayMs, note, hold }) => {
    note(`delay links of ${target.id} by ${delayMs} ms`);
    const others = cluster.nodes.filter((node) => node !== target);
    const set = (link) => {
      for (const { id } of others) {
        cluster.network.set(target.id, id, link);
        cluster.network.set(id, target.id, link);
      }
    };
    set({ mode: 'delay', delayMs });
    await hold();
    set({ mode: 'pass' });
  }),
  'reset-links': async ({ cluster, note }) => {
    note('reset all connections between nodes');
    cluster.network.reset();
  },
  'reset-clients': async ({ cluster, note }) => {
    note('reset all connections of clients');
    for (const node of cluster.serving()) resetConnections(node);
  },
  'step-down': async (fault) => {
    const leader = await leaderOr(fault);
    const { status } = await fault.cluster
      .request(leader, 'PUT', 'sys/step-down', { timeoutMs: 15_000 })
      .catch((error) => ({ status: error.name }));
    fault.note(`step down ${leader.id}: ${status}`);
  },
  'seal-node': withNode(seal),
  'seal-leader': withLeader(seal),
  'replace-node': async (fault) => replace({ ...fault, target: await standbyOf(fault) }),
  'replace-leader': withLeader(replace),
  'demote-node': async (fault) => {
    const { cluster, note, hold } = fault;
    const target = await standbyOf(fault);
    note(`take the vote of ${target.id}`);
    await ask(cluster, 'POST', 'sys/storage/raft/demote', { server_id: target.id });
    await hold();
    const { status } = await ask(cluster, 'POST', 'sys/storage/raft/promote', { server_id: target.id });
    note(`give ${target.id} its vote again: ${status}`);
  },
  'wipe-node': async (fault) => {
    const { cluster, note, hold } = fault;
    const target = await standbyOf(fault);
    note(`kill -9 ${target.id} and wipe its disk`);
    await cluster.kill(target);
    cluster.wipe(target);
    await hold();
    cluster.revive(target);
  },
  'add-non-voter': async ({ cluster, note, hold }) => {
    const { guest } = cluster;
    cluster.wipe(guest);
    guest.wantUnsealed = true;
    cluster.revive(guest);
    const leader = await cluster.active(RECOVERY_MS_MAX);
    await eventually(
      'the guest finds the cluster',
      async () => {
        const { status, body } = await call(guest.url, 'PUT', 'sys/storage/raft/join', {
          body: { leader_api_addr: leader.url, non_voter: true },
          timeoutMs: 12_000,
        });
        return status === 200 || /belongs to a cluster/.test(body?.errors?.[0]);
      },
      RECOVERY_MS_MAX,
    );
    const joined = await eventually(
      'the guest serves',
      async () => {
        const { status } = await call(guest.url, 'GET', 'sys/health', { timeoutMs: 2_000 });
        return status === 429 || status === 473;
      },
      RECOVERY_MS_MAX,
    ).catch(() => false);
    note(`add ${guest.id} without a vote: ${joined ? 'joined' : `not in time (${guest.lastUnseal})`}`);
    guest.serves = Boolean(joined);
    await hold();
    guest.serves = false;
    await dismissGuest(cluster, note);
  },
  'full-disk': async (fault) => {
    const { cluster, note } = fault;
    const small = cluster.nodes.filter(({ smallDisk }) => smallDisk);
    const leader = await leaderOr(fault);
    // half of the time the leader, where it has a small disk
    const target = leader.smallDisk && fault.node !== 0 ? leader : small[fault.node % small.length];
    note(`fill the disk of ${target.id}${target === leader ? ', the leader' : ''}`);
    target.mayEnd++;
    const ballast = join(target.folder, 'ballast');
    const { bavail, bsize } = statfsSync(target.folder);
    // most of it at once, the rest as it comes
    execFileSync('fallocate', ['-l', String(Math.max(1, bavail * bsize - 1_048_576)), ballast]);
    const end = performance.now() + fault.forMs;
    // what compaction gives back is taken, too
    while (performance.now() < end) {
      fill(ballast);
      await pause(20);
    }
    rmSync(ballast, { force: true });
    after(target, 5_000);
  },
  'slow-disk': withNode(trace(({ delayMs }) => `delay_enter=${delayMs * 1000}`, false)),
  'stuck-disk': withLeader(trace(() => 'delay_enter=3000000', true)),
  'failing-disk': withLeader(trace(() => 'error=EIO', true)),
  'restart-database': (fault) => restartDatabase(fault, 'SIGINT'),
  'kill-database': (fault) => restartDatabase(fault, 'SIGKILL'),
  'pause-database': async ({ cluster, note, hold }) => {
    note('stop the database');
    cluster.database.signal('SIGSTOP');
    await hold();
    cluster.database.signal('SIGCONT');
  },
};

/** Lets the guest go, wherever it got to. */
export async function dismissGuest(cluster, note) {
  const { guest } = cluster;
  guest.serves = false;
  await remove(cluster, guest, note);
  await cluster.kill(guest);
  cluster.wipe(guest);
}

function fill(file) {
  const block = Buffer.alloc(256 * 1024, 1);
  const fd = openSync(file, 'a');
  try {
    for (let size = block.length; size >= 512;) {
      try {
        writeSync(fd, block, 0, size);
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
}
