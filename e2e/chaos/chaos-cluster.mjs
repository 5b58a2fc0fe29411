/**
 * A cluster for fault rounds: three nodes and room for a fourth, a network that can be cut between them, and a keeper for
 * each node that starts it and unseals it again whenever it should be up, as an operator's tools would.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess, call, configOf } from '../cluster.mjs';
import { eventually, pause, serverCommand } from '../program.mjs';
import { Network } from './link-proxy.mjs';
import { Turns } from '../../libs/kernel/dist/index.js';

/** Bytes of the small file system of some nodes: the data of a round fits many times. */
const SMALL_DISK_BYTES = 256 * 1024 * 1024;
/** How long a cluster may take to be whole again after the last fault, in milliseconds. Not a figure of speed: a guard. */
export const RECOVERY_MS_MAX = 180_000;

/** File systems to give back when this process is told to end. */
const mounted = new Set();
process.on('exit', () => {
  for (const folder of mounted) spawnSync('umount', ['-l', folder]);
});

export class ChaosCluster {
  /** Of the three that are members for good. */
  nodes = [];
  /** One that comes and goes without a vote. */
  guest;
  network = new Network();
  token = '';
  /** Of a database that the nodes share; undefined with raft. */
  database;
  /** Two faults at once do not start it twice. */
  databaseTurns = new Turns();
  /** What went wrong without a fault's help. */
  incidents = [];
  #keys = [];
  #mounts = [];
  #closed = false;
  #keepers = [];

  constructor(folder) {
    this.folder = folder;
  }

  /**
   * @param {object} options
   * @param {number} options.portBase twelve free ports from here on are used
   * @param {boolean} options.tmpfs whether file systems can be mounted; the second and third node then get small ones
   * @param {number | undefined} options.trailingLogs entries that the log keeps: few, and who was away needs a snapshot
   * @param {string | undefined} options.authorityTtl how old the authority of the cluster port gets
   * @param {string[]} options.command
   * @param {{program: import('../../libs/testing/dist/databases/index.js').ServerProgram, storage: string} | undefined} options.database
   *   one that the nodes share in the place of raft, and how they are told of it
   */
  static async start({ portBase, tmpfs, trailingLogs, authorityTtl, command = serverCommand(), database }) {
    const cluster = new ChaosCluster(mkdtempSync(join(tmpdir(), 'coffer-chaos-')));
    cluster.command = command;
    cluster.trailingLogs = trailingLogs;
    cluster.settings = authorityTtl === undefined ? '' : `cluster_authority_ttl = "${authorityTtl}"\n`;
    cluster.database = database?.program;
    cluster.storage = database?.storage;
    try {
      await cluster.#prepare(await freePorts(portBase, 12), tmpfs);
      for (const node of [...cluster.nodes, cluster.guest]) cluster.#keepers.push(cluster.#keep(node));
      await cluster.#initialise();
    } catch (error) {
      error.message += cluster.tailOfLogs();
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #prepare(ports, tmpfs) {
    for (let number = 1; number <= 4; number++) {
      const [apiPort, clusterPort, advertisedPort] = ports.splice(0, 3);
      const node = {
        id: `node-${number}`,
        url: `http://127.0.0.1:${apiPort}`,
        apiPort,
        clusterPort,
        advertisedPort,
        folder: join(this.folder, `node-${number}`),
        configFile: join(this.folder, `node-${number}.hcl`),
        logFile: join(this.folder, `node-${number}.log`),
        process: undefined,
        // what the keeper sees to
        wantUp: number <= 3,
        wantUnsealed: number <= 3,
        // faults under which the process may end by itself
        mayEnd: 0,
      };
      mkdirSync(node.folder);
      if (tmpfs && (number === 2 || number === 3)) {
        execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', node.folder]);
        this.#mounts.push(node.folder);
        mounted.add(node.folder);
        node.smallDisk = true;
      }
      if (number <= 3) this.nodes.push(node);
      else this.guest = node;
    }
    for (const node of [...this.nodes, this.guest]) {
      const others = node === this.guest ? [] : this.nodes.filter((other) => other !== node);
      writeFileSync(
        node.configFile,
        configOf(node, this.storage ?? raftStorage(node, others, this.trailingLogs), 'chaos') + this.settings,
      );
      await this.network.front(node.id, node.advertisedPort, node.clusterPort, () =>
        node.process?.alive ? node.process.pid : undefined,
      );
    }
  }

  async #initialise() {
    const [first] = this.nodes;
    const answer = await eventually(
      'the cluster is initialised',
      async () => {
        const { status, body } = await call(first.url, 'PUT', 'sys/init', {
          body: { secret_shares: 1, secret_threshold: 1 },
          timeoutMs: 30_000,
        });
        if (status !== 200) throw new Error(`sys/init answered ${status}: ${JSON.stringify(body)}`);
        return body;
      },
      RECOVERY_MS_MAX,
    );
    this.#keys = answer.keys_base64;
    this.token = answer.root_token;
    await this.ready();
  }

  request(node, method, path, options = {}) {
    return call(node.url, method, path, { token: this.token, ...options });
  }

  /** Sees to a node until the cluster is closed: starts it, unseals it. Ended by itself: an incident. */
  async #keep(node) {
    while (!this.#closed) {
      try {
        if (node.wantUp && !node.process?.alive) {
          if (node.process && !node.endExpected && node.mayEnd === 0)
            this.incidents.push(`${node.id} ended by itself: ${lastLines(node.process.log)}`);
          node.endExpected = false;
          node.process = new ServerProcess([...this.command, `-config=${node.configFile}`], node.logFile);
        }
        if (node.wantUp && node.wantUnsealed && !node.paused) await this.#unseal(node);
      } catch {
        // not up yet, or in trouble: again in a moment
      }
      await pause(100);
    }
  }

  async #unseal(node) {
    const { body } = await call(node.url, 'GET', 'sys/seal-status', { timeoutMs: 2_000 });
    if (!body.initialized || !body.sealed || this.#keys.length === 0) return;
    const { status, body: answer } = await call(node.url, 'PUT', 'sys/unseal', {
      body: { key: this.#keys[0] },
      timeoutMs: 40_000,
    });
    if (status !== 200) node.lastUnseal = `${status} ${JSON.stringify(answer)}`;
  }

  /** Nodes that clients may ask. */
  serving() {
    return this.guest.serves ? [...this.nodes, this.guest] : this.nodes;
  }

  /** The active node, if one says so at the moment. */
  async active(waitMs = 3_000) {
    return eventually(
      'an active node',
      async () => {
        const asked = this.nodes.filter((node) => node.process?.alive && !node.paused);
        const answers = await Promise.all(
          asked.map((node) => call(node.url, 'GET', 'sys/health', { timeoutMs: 1_000 }).catch(() => undefined)),
        );
        return asked.find((_, index) => answers[index]?.status === 200);
      },
      waitMs,
    );
  }

  /** kill -9; the keeper starts it again once `wantUp` is set. */
  async kill(node, signal = 'SIGKILL') {
    node.wantUp = false;
    node.endExpected = true;
    node.paused = false;
    if (node.process?.alive) await node.process.end(signal);
  }

  revive(node) {
    node.wantUp = true;
  }

  /** Stops the process in its tracks. */
  freeze(node) {
    if (!node.process?.alive) return;
    node.paused = true;
    node.process.signal('SIGSTOP');
  }

  thaw(node) {
    node.paused = false;
    if (node.process?.alive) node.process.signal('SIGCONT');
  }

  /** Takes the node's data away; its process has to be gone. */
  wipe(node) {
    for (const name of readdirSync(node.folder)) rmSync(join(node.folder, name), { recursive: true, force: true });
  }

  /** Waits until all three serve as one cluster. @throws with what is wrong */
  async ready(withinMs = RECOVERY_MS_MAX) {
    await eventually(
      'all nodes serve',
      async () => {
        const states = await Promise.all(
          this.nodes.map((node) => call(node.url, 'GET', 'sys/health', { timeoutMs: 5_000 })),
        );
        const codes = states.map(({ status }) => status);
        if (codes.filter((code) => code === 200).length !== 1 || !codes.every((code) => [200, 429, 473].includes(code)))
          throw new Error(`health: ${codes.join(' ')}; unsealing: ${this.nodes.map(({ lastUnseal }) => lastUnseal)}`);
        const answers = await Promise.all(
          this.nodes.map((node) => this.request(node, 'GET', 'auth/token/lookup-self', { timeoutMs: 15_000 })),
        );
        if (!answers.every(({ status }) => status === 200))
          throw new Error(`lookup-self: ${answers.map(({ status }) => status).join(' ')}`);
        if (this.database) return true;
        const { body } = await this.request(this.nodes[0], 'GET', 'sys/storage/raft/configuration', {
          timeoutMs: 15_000,
        });
        const voters = body.data.config.servers.filter(({ voter }) => voter).map(({ node_id }) => node_id);
        if (voters.sort().join() !== this.nodes.map(({ id }) => id).join())
          throw new Error(`voters: ${voters.join(' ')}`);
        return true;
      },
      withinMs,
      100,
    );
  }

  /** What the nodes logged since the last call of errors inside, and of their disks. */
  remarks() {
    return [...this.nodes, this.guest].flatMap((node) => {
      if (!node.process) return [];
      const lines = node.process.log.split('\n');
      const added = lines.slice(node.linesSeen ?? 0, -1);
      node.linesSeen = lines.length - 1;
      return added
        .filter((line) => /code=internal|Assertion|uncaught|the disk|rule of the program/i.test(line))
        .map((line) => `${node.id}: ${line}`);
    });
  }

  tailOfLogs() {
    return [...this.nodes, this.guest]
      .filter(({ process }) => process)
      .map(({ id, process }) => `\n--- log of ${id}\n${lastLines(process.log, 15)}`)
      .join('');
  }

  async stop({ keepData = false } = {}) {
    this.#closed = true;
    for (const node of [...this.nodes, this.guest].filter(Boolean)) {
      this.thaw(node);
      if (node.process?.alive) await node.process.end('SIGKILL');
    }
    await Promise.all(this.#keepers);
    // a keeper may have started one while the others were ended
    for (const node of [...this.nodes, this.guest]) if (node?.process?.alive) await node.process.end('SIGKILL');
    this.network.close();
    await this.database?.remove();
    for (const folder of this.#mounts) {
      execFileSync('umount', ['-l', folder]);
      mounted.delete(folder);
    }
    if (!keepData) rmSync(this.folder, { recursive: true, force: true });
  }
}

const lastLines = (text, count = 4) => text.trimEnd().split('\n').slice(-count).join('\n');

/** Ports that nothing listens on, below those that the system gives to clients: a node finds its own free when it returns. */
async function freePorts(from, count) {
  const ports = [];
  for (let port = from; ports.length < count; port++) {
    if (port > from + 2_000) throw new Error(`no ${count} free ports from ${from} on`);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function raftStorage(node, others, trailingLogs) {
  const joins = others.map(({ url }) => `  retry_join {\n    leader_api_addr = "${url}"\n  }\n`).join('');
  return `storage "raft" {
  path    = "${node.folder}"
  node_id = "${node.id}"
${trailingLogs === undefined ? '' : `  trailing_logs = ${trailingLogs}\n`}${joins}}
`;
}
