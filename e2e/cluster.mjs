/**
 * Clusters of real processes for tests: 1–3 nodes on free ports with their data in a folder of their own, killed
 * and restarted at will. Also starts a development server, and, for comparisons, another program that reads the same
 * configuration.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coffer, eventually, freePort, serverCommand } from './program.mjs';

/** Ends what tests left running when the test process itself ends. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

/** A server process, its output in a file. */
export class ServerProcess {
  #child;
  #exit;

  /**
   * @param {string[]} command
   * @param {string} logFile
   */
  constructor(command, logFile, env = {}) {
    const log = openSync(logFile, 'a');
    this.logFile = logFile;
    this.#child = spawn(command[0], command.slice(1), {
      stdio: ['ignore', log, log],
      env: { ...cleanEnvironment(), ...env },
    });
    closeSync(log);
    running.add(this.#child);
    this.#exit = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(String(error)));
      this.#child.once('exit', (code, signal) => {
        running.delete(this.#child);
        resolve(code ?? signal);
      });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get alive() {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  get log() {
    return readFileSync(this.logFile, 'utf8');
  }

  /** Resident memory, in MiB. */
  get residentMiB() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]) / 1024;
  }

  /** Sends the signal and waits for the end; SIGKILL after ten seconds. @returns the exit code or signal */
  async end(signal = 'SIGTERM') {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    const exit = await this.#exit;
    clearTimeout(timer);
    return exit;
  }

  signal(signal) {
    this.#child.kill(signal);
  }
}

/** The environment without settings that would reach into a server or a client. */
export function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VAULT|BAO|COFFER)_/.test(name)));
}

/**
 * One request.
 *
 * @returns {Promise<{status: number, body: any, headers: Headers}>}
 */
export async function call(url, method, path, { token, body, headers = {}, timeoutMs = 15_000 } = {}) {
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: { ...(token ? { 'X-Vault-Token': token } : {}), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  let parsed;
  try {
    parsed = text === '' ? undefined : JSON.parse(text);
  } catch {
    parsed = text;
  }
  return { status: response.status, body: parsed, headers: response.headers };
}

/** A development server, ready to serve. @returns {Promise<{url, token, process, stop(): Promise<void>}>} */
export async function startDevServer({ token = 'root', flags = [], command = serverCommand() } = {}) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'coffer-dev-'));
  const url = `http://127.0.0.1:${port}`;
  const server = new ServerProcess(
    [
      ...command,
      '-dev',
      `-dev-root-token-id=${token}`,
      '-dev-no-store-token',
      `-dev-listen-address=127.0.0.1:${port}`,
      ...flags,
    ],
    join(folder, 'server.log'),
  );
  const stop = async () => {
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually('a development server', async () => {
      if (!server.alive) throw new Error(`it ended: ${server.log.slice(-2000)}`);
      return (await call(url, 'GET', 'sys/internal/ui/mounts/secret', { token })).status === 200;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, token, process: server, folder, stop };
}

/** Nodes with raft storage, or another one. Make it with `Cluster.start`. */
export class Cluster {
  /** @type {{id: string, url: string, apiPort: number, clusterPort: number, folder: string, configFile: string, process?: ServerProcess}[]} */
  nodes = [];
  keys = [];
  settings = '';
  token = '';

  constructor(folder, command) {
    this.folder = folder;
    this.command = command;
  }

  /**
   * Starts, initialises, unseals; returns when all nodes are unsealed and know the active one.
   *
   * @param {object} options
   * @param {number} options.nodes 1 to 3
   * @param {string[]} options.command another program with the same flags and configuration
   * @param {(node) => string} options.storage storage blocks of the configuration, in the place of raft's
   * @param {string} options.settings lines at the top of each configuration
   * @param {(node) => string} options.storageLines more lines of raft's storage stanza
   * @param {(node) => number} options.advertise the cluster port that the node gives to its peers, for a proxy between
   */
  static async start({
    nodes = 3,
    command = serverCommand(),
    advertise,
    storage,
    storageLines,
    settings = '',
    initialise = true,
  } = {}) {
    const cluster = new Cluster(mkdtempSync(join(tmpdir(), 'coffer-cluster-')), command);
    cluster.settings = settings;
    try {
      for (let number = 1; number <= nodes; number++) await cluster.#place(`node-${number}`);
      for (const node of cluster.nodes) {
        node.advertisedPort = advertise ? await advertise(node) : node.clusterPort;
        if (storageLines) node.storageLines = storageLines(node);
        cluster.configure(node, storage?.(node));
      }
      for (const node of cluster.nodes) await cluster.launch(node);
      if (initialise) await cluster.initialise();
    } catch (error) {
      error.message += cluster.nodes
        .filter(({ process }) => process)
        .map(({ id, process }) => `\n--- log of ${id}\n${process.log.slice(-1500)}`)
        .join('');
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Gives a node ports and a folder. */
  async #place(id) {
    const folder = join(this.folder, id);
    mkdirSync(folder);
    const node = { id, folder, configFile: join(this.folder, `${id}.hcl`) };
    await this.move(node);
    this.nodes.push(node);
    return node;
  }

  /** Gives a node other ports; it has them from its next start on. Write its configuration, and the others', anew. */
  async move(node) {
    node.apiPort = await freePort();
    node.clusterPort = await freePort();
    node.advertisedPort = node.clusterPort;
    node.url = `http://127.0.0.1:${node.apiPort}`;
  }

  /** Writes the configuration of a node; `node.storageLines` are more lines of its storage stanza. */
  configure(node, storage = raftStorage(node, this.nodes)) {
    writeFileSync(node.configFile, configOf(node, storage) + this.settings);
  }

  /** Starts one more node, which joins; it is unsealed when this returns. */
  async add(id, { storageLines = '' } = {}) {
    const node = await this.#place(id);
    node.storageLines = storageLines;
    this.configure(node);
    await this.launch(node);
    await this.unseal(node);
    return node;
  }

  /** Starts the process of a node and waits until it answers. */
  async launch(node) {
    node.process = new ServerProcess(
      [...this.command, `-config=${node.configFile}`],
      join(this.folder, `${node.id}.log`),
    );
    await eventually(`${node.id} answers`, async () => {
      if (!node.process.alive) throw new Error(`it ended: ${node.process.log.slice(-2000)}`);
      return (await call(node.url, 'GET', 'sys/seal-status')).status === 200;
    });
  }

  async initialise() {
    const [first, ...others] = this.nodes;
    const { status, body } = await call(first.url, 'PUT', 'sys/init', {
      body: { secret_shares: 1, secret_threshold: 1 },
      timeoutMs: 30_000,
    });
    if (status !== 200) throw new Error(`sys/init answered ${status}: ${JSON.stringify(body)}`);
    this.keys = body.keys_base64;
    this.token = body.root_token;
    await this.unseal(first);
    await this.ready([first]);
    for (const node of others) await this.unseal(node);
    await this.ready();
  }

  /** Waits until the node has joined, and unseals it. */
  async unseal(node) {
    await eventually(`${node.id} is initialised`, async () => {
      const { body } = await call(node.url, 'GET', 'sys/seal-status');
      return body.initialized;
    });
    await eventually(`${node.id} is unsealed`, async () => {
      const { body } = await call(node.url, 'GET', 'sys/seal-status');
      if (body.sealed === false) return true;
      const answer = await call(node.url, 'PUT', 'sys/unseal', { body: { key: this.keys[0] } });
      if (answer.status !== 200)
        throw new Error(`sys/unseal answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return answer.body.sealed === false;
    });
  }

  /** Waits until one of the nodes is active and all of them serve. */
  async ready(nodes = this.nodes) {
    await eventually('the cluster is ready', async () => {
      const states = await Promise.all(nodes.map((node) => call(node.url, 'GET', 'sys/health')));
      const active = states.filter(({ status }) => status === 200).length;
      const standby = states.filter(({ status }) => status === 429 || status === 473).length;
      if (active !== 1 || active + standby !== nodes.length)
        throw new Error(`health: ${states.map(({ status }) => status).join(' ')}`);
      // one more, through each node: it knows where to send writes
      const answers = await Promise.all(
        nodes.map((node) => call(node.url, 'GET', 'auth/token/lookup-self', { token: this.token })),
      );
      return answers.every(({ status }) => status === 200);
    });
  }

  /** The active node. */
  active() {
    return eventually('an active node', async () => {
      for (const node of this.nodes) {
        if (!node.process?.alive) continue;
        const found = await call(node.url, 'GET', 'sys/health').catch(() => undefined);
        if (found?.status === 200) return node;
      }
      return undefined;
    });
  }

  /** Mounts a KV store of version 1 at `kv/`. */
  async mountKv() {
    const { status, body } = await this.request(await this.active(), 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    if (status !== 204) throw new Error(`sys/mounts answered ${status}: ${JSON.stringify(body)}`);
  }

  async standbys() {
    const active = await this.active();
    return this.nodes.filter((node) => node !== active && node.process?.alive);
  }

  /** kill -9. */
  async kill(node) {
    await node.process.end('SIGKILL');
  }

  /** Starts a killed or stopped node again and unseals it. */
  async restart(node) {
    await this.launch(node);
    await this.unseal(node);
  }

  request(node, method, path, options = {}) {
    return call(node.url, method, path, { token: this.token, ...options });
  }

  /** Runs the command line against a node. @returns {Promise<{code: number, stdout: string, stderr: string}>} */
  cli(node, args) {
    return new Promise((resolve, reject) => {
      const child = spawn(coffer, args, {
        env: { ...cleanEnvironment(), VAULT_ADDR: node.url, VAULT_TOKEN: this.token },
      });
      const out = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (out[name] += data));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, ...out }));
    });
  }

  async stop({ keepData = false } = {}) {
    await Promise.all(this.nodes.map(({ process }) => (process?.alive ? process.end() : undefined)));
    if (!keepData) this.remove();
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function raftStorage(node, nodes) {
  const joins = nodes
    .filter((other) => other !== node)
    .map((other) => `  retry_join {\n    leader_api_addr = "${other.url}"\n  }\n`)
    .join('');
  return `storage "raft" {
  path    = "${node.folder}"
  node_id = "${node.id}"
${node.storageLines ?? ''}${joins}}
`;
}

/** A node's configuration file: its storage block, and one plain listener. */
export function configOf(node, storage, clusterName = 'e2e') {
  return `${storage}
listener "tcp" {
  address         = "127.0.0.1:${node.apiPort}"
  cluster_address = "127.0.0.1:${node.clusterPort}"
  tls_disable     = true
}

api_addr      = "${node.url}"
cluster_addr  = "https://127.0.0.1:${node.advertisedPort}"
cluster_name  = "${clusterName}"
disable_mlock = true
`;
}
