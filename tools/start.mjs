#!/usr/bin/env node
/**
 * `npm start`: a cluster of three nodes on this machine, set up, initialised and unsealed, until Ctrl-C.
 *
 * For trying things out and for development: the one unseal key lies beside the data, and listeners speak plain HTTP
 * on the loopback address. Data, logs and keys are in ./data; remove that folder to begin anew.
 *
 *   --exit-when-ready   ends as soon as the cluster serves (for tests)
 *   --data=FOLDER       another folder than ./data
 *   --base-port=N       another first port than 8200 (the nodes take N, N+10, N+20, and one above each)
 *
 * Imports nothing but Node's own modules: it runs before anything is installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ownNode = join(root, 'node_modules/node/bin/node');
const coffer = join(root, 'apps/cli/bin/coffer');

/** Set for the second process: everything is installed and built. */
const SET_UP = 'COFFER_START_SET_UP';
const READY_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 100;

/** Something that the person at the terminal can put right. */
class StartError extends Error {}

// ---------------------------------------------------------------- what is installed and built

function setUp() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules/.coffer-lock');
  const known = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;
  if (!existsSync(ownNode) || (known !== undefined && known !== lock)) {
    console.log('Installing packages (npm ci) …');
    run('npm', ['ci', '--no-audit', '--no-fund'], 'npm ci failed');
  }
  if (known !== lock) writeFileSync(stamp, lock);
  // compiles only what changed: about a second when nothing did
  run(ownNode, ['tools/build.mjs'], 'the build failed');
}

function run(command, args, failure) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw new StartError(`${failure}: ${error.message}`);
  if (status !== 0) throw new StartError(`${failure} (exit code ${status}); its output is above`);
}

// ---------------------------------------------------------------- nodes

function readArguments(argv) {
  const options = { data: join(root, 'data'), basePort: 8200, exitWhenReady: false };
  for (const argument of argv) {
    const [, name, value] = argument.match(/^--([a-z-]+)(?:=(.*))?$/) ?? [];
    if (name === 'exit-when-ready' && value === undefined) options.exitWhenReady = true;
    else if (name === 'data' && value) options.data = resolve(value);
    else if (name === 'base-port' && /^\d{1,5}$/.test(value ?? '')) options.basePort = Number(value);
    else throw new StartError(`unknown argument ${argument}: expected --exit-when-ready, --data=FOLDER, --base-port=N`);
  }
  return options;
}

function nodesOf({ data, basePort }) {
  return [1, 2, 3].map((number) => {
    const port = basePort + (number - 1) * 10;
    return {
      id: `node-${number}`,
      port,
      clusterPort: port + 1,
      url: `http://127.0.0.1:${port}`,
      folder: join(data, `node-${number}`),
      configFile: join(data, `node-${number}.hcl`),
      logFile: join(data, `node-${number}.log`),
    };
  });
}

const configOf = (node, nodes) => `# Written by tools/start.mjs at each start.
storage "raft" {
  path    = ${JSON.stringify(node.folder)}
  node_id = "${node.id}"
${nodes
  .filter((other) => other !== node)
  .map((other) => `  retry_join {\n    leader_api_addr = "${other.url}"\n  }\n`)
  .join('')}}

listener "tcp" {
  address         = "127.0.0.1:${node.port}"
  cluster_address = "127.0.0.1:${node.clusterPort}"
  tls_disable     = true
}

api_addr     = "${node.url}"
cluster_addr = "https://127.0.0.1:${node.clusterPort}"
cluster_name = "coffer-local"
ui           = true
`;

async function checkPorts(nodes) {
  for (const node of nodes) {
    for (const [port, purpose] of [
      [node.port, 'HTTP API'],
      [node.clusterPort, 'other nodes'],
    ]) {
      const problem = await listenOnce(port);
      if (problem === undefined) continue;
      const why = problem === 'EADDRINUSE' ? 'is in use by another program' : `cannot be listened on (${problem})`;
      throw new StartError(
        `port ${port} of 127.0.0.1 ${why}; ${node.id} needs it for the ${purpose}.\n` +
          `Is "npm start" running already? "ss -ltnp 'sport = :${port}'" shows the program; --base-port=N takes other ports.`,
      );
    }
  }
}

/** @returns {Promise<string | undefined>} the code of the error, or nothing where the port is free */
function listenOnce(port) {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', (error) => done(error.code ?? error.message));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(undefined)));
  });
}

function launch(node) {
  const log = openSync(node.logFile, 'a', 0o600);
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VAULT|BAO|COFFER)_/.test(name)),
  );
  // a process group of its own: Ctrl-C reaches this program, which ends the nodes in order
  node.child = spawn(coffer, ['server', `-config=${node.configFile}`], {
    stdio: ['ignore', log, log],
    detached: true,
    env: environment,
  });
  closeSync(log);
  node.ended = new Promise((done) => {
    node.child.once('error', (error) => done(error.message));
    node.child.once('exit', (code, signal) => done(signal ?? `exit code ${code}`));
  });
  void node.ended.then((how) => (node.end = how));
}

async function stopAll(nodes) {
  const alive = nodes.filter((node) => node.child?.pid !== undefined && node.end === undefined);
  for (const node of alive) node.child.kill('SIGTERM');
  const force = setTimeout(() => alive.forEach((node) => node.child.kill('SIGKILL')), 15_000);
  await Promise.all(alive.map((node) => node.ended));
  clearTimeout(force);
}

// ---------------------------------------------------------------- HTTP

async function ask(node, method, path, { token, body } = {}) {
  const response = await fetch(`${node.url}/v1/${path}`, {
    method,
    headers: token ? { 'X-Vault-Token': token } : {},
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

async function until(what, nodes, attempt) {
  const end = Date.now() + READY_WITHIN_MS;
  let last = '';
  for (;;) {
    for (const node of nodes) {
      if (node.end === undefined) continue;
      const tail = readFileSync(node.logFile, 'utf8').trimEnd().split('\n').slice(-8).join('\n  ');
      throw new StartError(`${node.id} ended (${node.end}). The end of ${short(node.logFile)}:\n  ${tail}`);
    }
    try {
      const found = await attempt();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      if (error instanceof StartError) throw error;
      last = `; last: ${error.cause?.code ?? error.message}`;
    }
    if (Date.now() > end)
      throw new StartError(
        `${what}: not within ${READY_WITHIN_MS / 1000} seconds${last}. Logs: ${nodes.map((node) => short(node.logFile)).join(', ')}`,
      );
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
}

const short = (path) => relative(process.cwd(), path) || '.';

// ---------------------------------------------------------------- keys

function readKeys(file) {
  if (!existsSync(file)) return undefined;
  const refuse = (why) =>
    new StartError(
      `${short(file)} ${why}. Without the unseal key in it the data cannot be read: put back the right file, or ` +
        `remove the folder ${short(dirname(file))} to begin anew (this deletes all secrets in it).`,
    );
  let keys;
  try {
    keys = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw refuse(error.code ? `cannot be read (${error.code})` : 'is not valid JSON');
  }
  if (typeof keys?.root_token !== 'string' || !keys.keys_base64?.every?.((key) => typeof key === 'string'))
    throw refuse('lacks "keys_base64" or "root_token"');
  return keys;
}

/** Whole or not at all, and never readable to others. */
function writeKeys(file, keys) {
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(fresh, file);
}

async function initialise(first, keysFile) {
  const { status, body } = await ask(first, 'PUT', 'sys/init', { body: { secret_shares: 1, secret_threshold: 1 } });
  if (status !== 200) throw new StartError(`initialising ${first.id} failed: ${body?.errors?.join('; ') ?? status}`);
  const keys = { keys_base64: body.keys_base64, root_token: body.root_token };
  writeKeys(keysFile, keys);
  return keys;
}

async function unseal(node, nodes, key) {
  await until(`${node.id} joins`, nodes, async () => (await ask(node, 'GET', 'sys/seal-status')).body.initialized);
  await until(`${node.id} is unsealed`, nodes, async () => {
    if (!(await ask(node, 'GET', 'sys/seal-status')).body.sealed) return true;
    const { status, body } = await ask(node, 'PUT', 'sys/unseal', { body: { key } });
    if (status === 400)
      throw new StartError(
        `the key in init.json does not unseal ${node.id} (${body?.errors?.join('; ')}): ` +
          `its data in ${short(node.folder)} belongs to another cluster. Put back the right folder, or remove this one ` +
          `and start again: the node then takes its data from the others.`,
      );
    return status === 200 && body.sealed === false;
  });
}

/** One is active, the others stand by, all are of one cluster and take requests. @returns the active node */
async function ready(nodes, keys) {
  const active = await until('all nodes serve', nodes, async () => {
    const states = await Promise.all(nodes.map((node) => ask(node, 'GET', 'sys/health')));
    nodes.forEach((node, index) => (node.clusterId = states[index].body?.cluster_id));
    const found = nodes.filter((_, index) => states[index].status === 200);
    const standing = states.filter(({ status }) => status === 429).length;
    return found.length === 1 && standing === nodes.length - 1 ? found[0] : undefined;
  });
  const strange = nodes.find((node) => (node.clusterId ?? active.clusterId) !== active.clusterId);
  if (strange)
    throw new StartError(
      `${strange.id} belongs to another cluster: its data in ${short(strange.folder)} is not this cluster's.`,
    );
  for (const node of nodes) {
    await until(`${node.id} takes requests`, nodes, async () => {
      const { status, body } = await ask(node, 'GET', 'auth/token/lookup-self', { token: keys.root_token });
      if (status === 403)
        console.error(`The root token in init.json is not valid any more (${body?.errors?.join('; ')}).`);
      return status === 200 || status === 403;
    });
  }
  return active;
}

async function mountSecret(active, token) {
  const { status, body } = await ask(active, 'POST', 'sys/mounts/secret', {
    token,
    body: { type: 'kv', options: { version: '2' }, description: 'key/value secret storage' },
  });
  if (status !== 204 && !body?.errors?.some((text) => text.includes('already in use')))
    throw new StartError(`mounting secret/ failed: ${body?.errors?.join('; ') ?? status}`);
}

// ---------------------------------------------------------------- all of it

async function bringUp(nodes, options) {
  const keysFile = join(options.data, 'init.json');
  let keys = readKeys(keysFile);
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const hasData = nodes.filter((node) => existsSync(node.folder) && readdirSync(node.folder).length > 0);
  if (!keys && hasData.length > 0)
    throw new StartError(
      `${short(keysFile)} is missing, but ${short(hasData[0].folder)} holds data that only its key can unseal. ` +
        `Put the file back, or remove the folder ${short(options.data)} to begin anew (this deletes all secrets in it).`,
    );
  if (keys && hasData.length === 0)
    throw new StartError(
      `${short(keysFile)} holds the key of a cluster whose data is gone. Put the node folders back, or remove ` +
        `${short(keysFile)} to begin anew.`,
    );
  await checkPorts(nodes);
  for (const node of nodes) {
    mkdirSync(node.folder, { recursive: true, mode: 0o700 });
    writeFileSync(node.configFile, configOf(node, nodes));
    launch(node);
  }
  for (const node of nodes)
    await until(`${node.id} answers`, nodes, async () => (await ask(node, 'GET', 'sys/seal-status')).status === 200);
  const first = !keys;
  keys ??= await initialise(nodes[0], keysFile);
  const unsealAll = (some) => Promise.all(some.map((node) => unseal(node, nodes, keys.keys_base64[0])));
  // those with data first, all at once, since most of them must be there to elect a leader; the others join through them
  const known = first ? [nodes[0]] : hasData;
  await unsealAll(known);
  await unsealAll(nodes.filter((node) => !known.includes(node)));
  const active = await ready(nodes, keys);
  if (first) await mountSecret(active, keys.root_token);
  return { keys, active };
}

function announce(nodes, active, keys, options) {
  const program = short(join(root, 'node_modules/.bin/coffer'));
  const from = program.startsWith('.') || program.startsWith('/') ? program : `./${program}`;
  console.log(`
Coffer runs: three nodes, unsealed.

${nodes.map((node) => `  ${node.id}  ${node.url}  ${node === active ? 'active ' : 'standby'}  log: ${short(node.logFile)}`).join('\n')}

  Root token: ${keys.root_token}
  (this and the unseal key are in ${short(join(options.data, 'init.json'))}; this set-up is for trying things out)

Try, in another terminal:

  export VAULT_ADDR=${active.url} VAULT_TOKEN=${keys.root_token}
  ${from} status
  ${from} kv put -mount=secret hello name=world
  ${from} operator raft list-peers
`);
  if (!options.exitWhenReady) console.log('Ctrl-C stops all nodes.');
}

async function main() {
  const options = readArguments(process.argv.slice(2));
  const nodes = nodesOf(options);
  let told;
  const whenTold = new Promise((done) => (told = done));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => told(signal));
  try {
    const up = await Promise.race([bringUp(nodes, options), whenTold]);
    if (typeof up === 'object') {
      announce(nodes, up.active, up.keys, options);
      if (!options.exitWhenReady) {
        const loss = Promise.race(nodes.map((node) => node.ended.then((how) => ({ node, how }))));
        const end = await Promise.race([whenTold, loss]);
        // one lost node is what a cluster is for: say so, and stay
        if (typeof end === 'object') {
          console.error(`${end.node.id} ended (${end.how}); the others go on. Its log: ${short(end.node.logFile)}`);
          await whenTold;
        }
      }
    }
    console.log('\nStopping …');
  } finally {
    await stopAll(nodes);
  }
  console.log('All nodes have ended.');
}

try {
  if (process.env[SET_UP] === undefined) {
    setUp();
    // again on the workspace's own Node: that of the system may be older
    const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { ...process.env, [SET_UP]: '1' },
    });
    // the terminal sends Ctrl-C to both; this one waits for the other
    for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.on('exit', (code) => process.exit(code ?? 1));
  } else {
    await main();
  }
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(`\nCannot start: ${error.message}`);
  process.exitCode = 1;
}
