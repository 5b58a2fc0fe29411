/**
 * Classes of mistakes that systems of this kind have had (docs/security.md lists them with their numbers), tried on three
 * real nodes: each test is one that would have caught them.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';
import { eventually } from '../program.mjs';

let cluster;
let active;
before(async () => {
  cluster = await Cluster.start({ nodes: 3 });
  active = await cluster.active();
  for (const [path, type] of [
    ['sys/auth/userpass', 'userpass'],
    ['sys/auth/approle', 'approle'],
    ['sys/mounts/kv', 'kv'],
  ])
    await ok('POST', path, { type });
});
after(() => cluster?.stop());

/** As root, on the active node; must go well. */
async function ok(method, path, body, options = {}) {
  const answer = await cluster.request(options.node ?? active, method, path, { body, ...options });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const tokenOf = async (body) => (await ok('POST', 'auth/token/create-orphan', body)).auth.client_token;
const login = (node, name, password, options = {}) =>
  call(node.url, 'POST', `auth/userpass/login/${encodeURIComponent(name)}`, { body: { password }, ...options });

/** Spellings that a check of `root` might not know and a look-up might. */
const ROOTS = [
  'root',
  ' root',
  'Root',
  'ROOT ',
  'ro\u200bot',
  '\uff52\uff4f\uff4f\uff54',
  'root\u0000',
  '\troot',
  'r\u00adoot',
];

describe('logins', () => {
  it('tell nothing of whether there is a user, neither by text nor by time', async () => {
    await ok('POST', 'auth/userpass/users/known', { password: 'right' });
    await ok('POST', 'sys/auth/userpass/tune', { user_lockout_config: { lockout_disable: true } });
    const times = { known: [], unknown: [] };
    const answers = new Set();
    for (let round = 0; round < 15; round++) {
      for (const name of ['known', 'unknown']) {
        const begunMs = performance.now();
        const { status, body } = await login(active, name, 'wrong');
        times[name].push(performance.now() - begunMs);
        answers.add(`${status} ${JSON.stringify(body.errors)}`);
      }
    }
    assert.equal(answers.size, 1, [...answers].join());
    const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
    // A hash takes tens of milliseconds, a look-up one: which of both it was shows on any machine.
    const ratio = median(times.unknown) / median(times.known);
    assert.ok(ratio > 1 / 4 && ratio < 4, `an unknown name takes ${ratio.toFixed(2)} times as long`);
    await ok('POST', 'sys/auth/userpass/tune', { user_lockout_config: { lockout_disable: false } });
  });

  it('count failures of all spellings of a name, through all nodes, and over a change of the active one', async () => {
    await ok('POST', 'auth/userpass/users/ann', { password: 'right' });
    const spellings = ['ann', 'ANN', 'Ann', 'aNn', 'ann'];
    for (const [index, name] of spellings.entries()) {
      const { status } = await login(cluster.nodes[index % 3], name, 'wrong');
      assert.equal(status, 400);
    }
    const locked = async () => {
      for (const node of cluster.nodes)
        for (const name of ['ann', 'ANN']) assert.equal((await login(node, name, 'right')).status, 403, node.id);
    };
    await locked();
    await ok('POST', 'sys/step-down');
    await eventually('another node is active', async () => (await cluster.active()) !== active);
    active = await cluster.active();
    await cluster.ready();
    await locked();
    await ok('POST', 'sys/locked-users/' + (await ok('GET', 'sys/auth')).data['userpass/'].accessor + '/unlock/ANN');
    assert.equal((await login(active, 'ann', 'right')).status, 200);
  });

  it('find one entity for all spellings of a name', async () => {
    await ok('POST', 'auth/userpass/users/zoe', { password: 'right' });
    const entities = new Set();
    for (const name of ['zoe', 'ZOE', 'Zoe']) entities.add((await login(active, name, 'right')).body.auth.entity_id);
    assert.equal(entities.size, 1);
  });

  it('let a wrapping token and a secret id be used once, wherever they are used at the same time', async () => {
    // Five that come too late would lock the role out.
    await ok('POST', 'sys/auth/approle/tune', { user_lockout_config: { lockout_disable: true } });
    await ok('POST', 'auth/approle/role/once', { secret_id_num_uses: 1, role_id: 'once' });
    for (let round = 0; round < 5; round++) {
      const { data } = await ok('POST', 'auth/approle/role/once/secret-id');
      const body = { role_id: 'once', secret_id: data.secret_id };
      const logins = await Promise.all(
        cluster.nodes.flatMap((node) => [1, 2].map(() => call(node.url, 'POST', 'auth/approle/login', { body }))),
      );
      assert.equal(logins.filter(({ status }) => status === 200).length, 1, logins.map(({ status }) => status).join());
      const wrapped = await ok('POST', 'sys/wrapping/wrap', { a: 'b' }, { headers: { 'X-Vault-Wrap-TTL': '60' } });
      const { token } = wrapped.wrap_info;
      const unwrapped = await Promise.all(
        cluster.nodes.flatMap((node) => [1, 2].map(() => call(node.url, 'POST', 'sys/wrapping/unwrap', { token }))),
      );
      assert.equal(unwrapped.filter(({ status }) => status === 200).length, 1);
    }
  });

  it('let a token with a use limit be used so often, through all nodes at once', async () => {
    const token = await tokenOf({ policies: ['default'], num_uses: 5 });
    const used = await Promise.all(
      Array.from({ length: 15 }, (_, index) =>
        call(cluster.nodes[index % 3].url, 'GET', 'auth/token/lookup-self', { token }),
      ),
    );
    assert.equal(used.filter(({ status }) => status === 200).length, 5);
  });
});

describe('rights', () => {
  it('make nobody root by any spelling, through any field that takes names of policies', async () => {
    await ok('PUT', 'sys/policies/acl/maker', { policy: 'path "auth/token/*" { capabilities = ["update", "sudo"] }' });
    const maker = await tokenOf({ policies: ['maker'] });
    const isRoot = async (token) => (await call(active.url, 'GET', 'sys/config/cors', { token })).status === 200;
    for (const name of ROOTS) {
      const shown = JSON.stringify(name);
      for (const policies of [[name], ['default', name], `default,${name}`]) {
        const made = await call(active.url, 'POST', 'auth/token/create', { token: maker, body: { policies } });
        if (made.status === 200) assert.equal(await isRoot(made.body.auth.client_token), false, `create ${shown}`);
      }
      await cluster.request(active, 'POST', 'auth/token/roles/r', { body: { allowed_policies: [name, 'default'] } });
      const byRole = { token: maker, body: { policies: [name] } };
      const made = await call(active.url, 'POST', 'auth/token/create/r', byRole);
      if (made.status === 200) assert.equal(await isRoot(made.body.auth.client_token), false, `role ${shown}`);
      for (const field of ['token_policies', 'policies']) {
        await cluster.request(active, 'POST', 'auth/userpass/users/eve', { body: { password: 'x', [field]: name } });
        const { status, body } = await login(active, 'eve', 'x');
        if (status === 200) assert.equal(await isRoot(body.auth.client_token), false, `userpass ${field} ${shown}`);
        await cluster.request(active, 'POST', 'auth/approle/role/eve', {
          body: { role_id: 'eve', bind_secret_id: false, secret_id_bound_cidrs: '127.0.0.0/8', [field]: name },
        });
        const role = await call(active.url, 'POST', 'auth/approle/login', { body: { role_id: 'eve' } });
        if (role.status === 200) assert.equal(await isRoot(role.body.auth.client_token), false, `approle ${shown}`);
      }
      await ok('POST', 'auth/userpass/users/sue', { password: 'x', token_policies: 'default' });
      const sue = (await login(active, 'sue', 'x')).body.auth;
      for (const path of [`identity/entity/id/${sue.entity_id}`, 'identity/entity'])
        await cluster.request(active, 'POST', path, { body: { id: sue.entity_id, policies: [name] } });
      assert.equal(await isRoot(sue.client_token), false, `entity ${shown}`);
    }
  });

  it('end on all nodes for tokens of an entity that is disabled or deleted', async () => {
    await ok('POST', 'auth/userpass/users/tom', { password: 'x', token_policies: 'default' });
    const { client_token: token, entity_id: id } = (await login(active, 'tom', 'x')).body.auth;
    const statuses = async () => {
      const answers = cluster.nodes.map(({ url }) => call(url, 'GET', 'auth/token/lookup-self', { token }));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    assert.deepEqual(await statuses(), [200, 200, 200]);
    await ok('POST', `identity/entity/id/${id}`, { disabled: true });
    assert.deepEqual(await statuses(), [403, 403, 403]);
    await ok('POST', `identity/entity/id/${id}`, { disabled: false });
    assert.deepEqual(await statuses(), [200, 200, 200]);
    await ok('DELETE', `identity/entity/id/${id}`);
    assert.deepEqual(await statuses(), [403, 403, 403]);
  });

  it('are the same for a path with a slash at its end, whatever is done there', async () => {
    const grants = 'path "auth/approle/*" { capabilities = ["create", "read", "update", "delete", "list"] }';
    const denies = 'path "auth/approle/role/once/secret-id" { capabilities = ["deny"] }';
    await ok('PUT', 'sys/policies/acl/slash', { policy: `${grants}\n${denies}` });
    const token = await tokenOf({ policies: ['slash'] });
    for (const node of cluster.nodes) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'LIST']) {
        for (const end of ['', '/']) {
          // fetch knows no LIST
          const [verb, query] = method === 'LIST' ? ['GET', '?list=true'] : [method, ''];
          const path = `auth/approle/role/once/secret-id${end}${query}`;
          const { status } = await call(node.url, verb, path, {
            token,
            headers: { 'X-Vault-No-Request-Forwarding': '' },
          });
          // What is written to a folder is refused whoever asks.
          assert.ok(status === 403 || (end === '/' && status === 400), `${method} ${path}: ${status}`);
        }
      }
    }
  });

  it('to put another state in the place of this one, or to see the store below the engines, need more than the path', async () => {
    const everything = 'path "sys/*" { capabilities = ["create", "read", "update", "delete", "list", "patch"] }';
    await ok('PUT', 'sys/policies/acl/no-sudo', { policy: everything });
    const token = await tokenOf({ policies: ['no-sudo'] });
    for (const node of cluster.nodes) {
      for (const path of ['snapshot', 'snapshot-force'])
        assert.equal((await call(node.url, 'POST', `sys/storage/raft/${path}`, { token, body: {} })).status, 403, path);
      for (const path of [
        'sys/seal',
        'sys/step-down',
        'sys/rotate/root/init',
        'sys/generate-root-token/attempt',
        'sys/audit/x',
      ])
        assert.equal((await call(node.url, 'PUT', path, { token, body: { type: 'file' } })).status, 403, path);
      // Off unless the configuration says otherwise, for root as well.
      for (const key of ['core/keyring', 'core/seal/root-key', 'sys/token/id/x', ''])
        assert.equal((await cluster.request(node, 'GET', `sys/raw/${key}`)).status, 404, key);
    }
  });

  it('know no namespaces but the root, whatever they are called', async () => {
    for (const name of ['..', 'a', 'root/..', 'ROOT', '%2e%2e', 'sys', 'a/../root', 'root/root', '\\'])
      assert.equal(
        (await cluster.request(active, 'GET', 'sys/mounts', { headers: { 'X-Vault-Namespace': name } })).status,
        404,
        name,
      );
  });

  it('are not widened by headers that only nodes or proxies may set', async () => {
    await ok('POST', 'auth/token/roles/bound', { token_bound_cidrs: '10.9.9.9/32', allowed_policies: 'default' });
    const { auth } = await ok('POST', 'auth/token/create/bound', {});
    for (const name of ['X-Forwarded-For', 'X-Real-Ip', 'Forwarded', 'X-Vault-Forwarded-For', 'X-Vault-Client-Address'])
      for (const node of cluster.nodes) {
        const headers = { [name]: name === 'Forwarded' ? 'for=10.9.9.9' : '10.9.9.9' };
        const { status } = await call(node.url, 'GET', 'auth/token/lookup-self', { token: auth.client_token, headers });
        assert.equal(status, 403, `${name} at ${node.id}`);
      }
  });
});

describe('what is told', () => {
  /** Nobody ever sees it, except who sent it. */
  const CANARY = 'canary-4b1f0c2e97';
  let audited;
  before(async () => {
    // All nodes are on one machine here, and append to one file.
    audited = join(cluster.folder, 'audit.log');
    await ok('PUT', 'sys/audit/file', { type: 'file', options: { file_path: audited } });
  });
  after(() => cluster.request(active, 'DELETE', 'sys/audit/file'));

  it('holds no value of a request in logs or audit, whatever was wrong with it', async () => {
    const { body: specification } = await cluster.request(active, 'GET', 'sys/internal/specs/openapi');
    const left =
      /^\/sys\/(seal|step-down|init|policies|policy|audit|storage|raw|rekey|rotate|generate-root)|revoke|tidy/;
    const paths = Object.entries(specification.paths).filter(([path, item]) => item.post && !left.test(path));
    assert.ok(paths.length > 60, `${paths.length} paths`);
    const headers = { Cookie: CANARY, 'X-Custom': CANARY, 'User-Agent': CANARY, Authorization: `Basic ${CANARY}` };
    const send = (node, path, body, token) =>
      fetch(`${node.url}/v1${path.replaceAll(/\{[^}]+\}/g, 'x')}`, {
        method: 'POST',
        headers: { ...headers, 'X-Vault-Token': token },
        body,
      }).then((answer) => answer.text());
    for (const [index, [path, { post }]] of paths.entries()) {
      const schema = post.requestBody?.content?.['application/json']?.schema;
      const named = schema?.$ref ? specification.components.schemas[schema.$ref.split('/').at(-1)] : schema;
      // What names a thing is its path, and is shown: like other names it is nothing to keep secret.
      const fields = Object.keys(named?.properties ?? {}).filter(
        (name) => !/name|path|^from$|^to$|type|id$/.test(name),
      );
      const texts = Object.fromEntries(fields.map((name) => [name, CANARY]));
      const deep = Object.fromEntries(
        fields.map((name) => [name, { inner: [CANARY, { [CANARY.slice(0, 6)]: CANARY }] }]),
      );
      const node = cluster.nodes[index % 3];
      for (const body of [
        JSON.stringify(texts),
        JSON.stringify(deep),
        `{"a":"${CANARY}`,
        `${CANARY}`,
        `{"a":"${CANARY}"}}`,
      ])
        await send(node, path, body, cluster.token);
      await send(node, path, JSON.stringify(texts), CANARY);
    }
    await ok('POST', 'kv/app', { value: CANARY });
    await ok('GET', 'kv/app');
    const files = [audited, ...cluster.nodes.map(({ process }) => process.logFile)];
    const forms = [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 20), Buffer.from(CANARY).toString('hex')];
    let lines = 0;
    for (const file of files) {
      for (const line of readFileSync(file, 'utf8').split('\n')) {
        lines++;
        for (const form of forms) assert.ok(!line.includes(form), `${file}: ${line.slice(0, 2000)}`);
      }
    }
    assert.ok(lines > 200, `${lines} lines were searched`);
    assert.match(readFileSync(audited, 'utf8'), /hmac-sha256/);
  });

  it('holds who was not let in', async () => {
    const linesBefore = readFileSync(audited, 'utf8').split('\n').length;
    assert.equal((await call(active.url, 'GET', 'kv/app', { token: 'hvs.unknown' })).status, 403);
    assert.equal((await call(active.url, 'GET', 'kv/app')).status, 403);
    const lines = readFileSync(audited, 'utf8')
      .split('\n')
      .slice(linesBefore - 1, -1)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ type, request, error }) => [type, request.path, error !== undefined]),
      [
        ['request', 'kv/app', true],
        ['request', 'kv/app', true],
      ],
    );
  });
});
