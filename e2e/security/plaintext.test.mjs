/** Nothing that is secret lies on a disk or goes over the network between nodes in the clear. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../cluster.mjs';

/** Passes on what nodes say to each other, and keeps it. */
class CapturingProxy {
  captured = [];
  #server;

  async listen(targetPort) {
    this.#server = createServer((incoming) => {
      const outgoing = connect(targetPort, '127.0.0.1');
      incoming.on('data', (data) => this.captured.push(data));
      outgoing.on('data', (data) => this.captured.push(data));
      incoming.pipe(outgoing).pipe(incoming);
      incoming.on('error', () => outgoing.destroy());
      outgoing.on('error', () => incoming.destroy());
    });
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.#server.address().port;
  }

  close() {
    this.#server.close();
  }
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** The ways in which a text may lie about. */
function spellings(text) {
  const bytes = Buffer.from(text);
  // base64 of the text at each of the three places that it can have in a longer one
  const shifted = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  return [
    bytes,
    Buffer.from(bytes.toString('hex')),
    Buffer.from(text, 'utf16le'),
    ...shifted.map((t) => Buffer.from(t)),
  ];
}

describe('plaintext', () => {
  const canary = (name) => `canary-${name}-${randomBytes(12).toString('hex')}`;
  const canaries = new Map();
  const proxies = [];
  let cluster;

  before(async () => {
    cluster = await Cluster.start({
      nodes: 3,
      advertise: (node) => {
        const proxy = new CapturingProxy();
        proxies.push(proxy);
        return proxy.listen(node.clusterPort);
      },
    });
    const [standby] = await cluster.standbys();
    const at = (name) => {
      const text = canary(name);
      canaries.set(name, text);
      return text;
    };
    const ok = async (...args) => {
      const answer = await cluster.request(standby, ...args);
      assert.ok(answer.status < 300, `${args[1]}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer;
    };
    await ok('POST', 'sys/mounts/kv', { body: { type: 'kv', options: { version: '2' } } });
    await ok('POST', 'sys/auth/userpass', { body: { type: 'userpass' } });
    await ok('POST', 'sys/auth/approle', { body: { type: 'approle' } });
    await ok('POST', 'kv/data/app', { body: { data: { value: at('kv-value'), [at('kv-field')]: 'x' } } });
    await ok('POST', 'cubbyhole/own', { body: { value: at('cubbyhole') } });
    await ok('POST', 'auth/userpass/users/ann', { body: { password: at('password'), policies: 'default' } });
    await ok('POST', 'auth/userpass/login/ann', { token: undefined, body: { password: canaries.get('password') } });
    await ok('POST', 'auth/approle/role/app', { body: { policies: 'default' } });
    const secretId = await ok('POST', 'auth/approle/role/app/secret-id', {});
    canaries.set('secret id', secretId.body.data.secret_id);
    const token = await ok('POST', 'auth/token/create', {
      body: { policies: ['default'], meta: { note: at('meta') } },
    });
    canaries.set('token', token.body.auth.client_token);
    const wrapped = await ok('POST', 'sys/wrapping/wrap', {
      body: { value: at('wrapped') },
      headers: { 'X-Vault-Wrap-TTL': '60s' },
    });
    canaries.set('wrapping token', wrapped.body.wrap_info.token);
    await ok('PUT', 'sys/policies/acl/p', {
      body: { policy: `# ${at('policy')}\npath "kv/data/app" { capabilities = ["read"] }` },
    });
    canaries.set('root token', cluster.token);
    canaries.set('unseal key', cluster.keys[0]);
    // through every node, so that forwarded answers carry them too
    for (const node of cluster.nodes) {
      const read = await cluster.request(node, 'GET', 'kv/data/app');
      assert.equal(read.body.data.data.value, canaries.get('kv-value'));
    }
    await cluster.stop({ keepData: true });
  });

  after(() => {
    for (const proxy of proxies) proxy.close();
    cluster?.remove();
  });

  it('finds what it looks for where it does lie about', () => {
    const hay = Buffer.from(`{"a":"${canaries.get('kv-value')}"}`);
    const [first] = spellings(canaries.get('kv-value'));
    assert.ok(hay.includes(first));
    const encoded = Buffer.from(Buffer.from(`xy${canaries.get('kv-value')}`).toString('base64'));
    assert.ok(spellings(canaries.get('kv-value')).some((text) => encoded.includes(text)));
  });

  it('is in no file of the nodes, logs included', () => {
    const files = cluster.nodes.flatMap((node) => [...filesIn(node.folder), node.process.logFile]);
    assert.ok(files.length >= 6, 'there are files to search');
    let bytes = 0;
    for (const file of files) {
      const content = readFileSync(file);
      bytes += content.length;
      for (const [name, text] of canaries)
        for (const spelling of spellings(text)) assert.ok(!content.includes(spelling), `${name} is in ${file}`);
    }
    assert.ok(bytes > 10_000, `searched ${bytes} bytes only`);
  });

  it('is not on the wire between nodes', () => {
    const captured = Buffer.concat(proxies.flatMap((proxy) => proxy.captured));
    assert.ok(captured.length > 10_000, `captured ${captured.length} bytes only`);
    for (const [name, text] of canaries)
      for (const spelling of spellings(text)) assert.ok(!captured.includes(spelling), `${name} went over the wire`);
    // hashes of a token would allow to look for it as well
    const hash = createHash('sha256').update(canaries.get('root token')).digest();
    assert.ok(!captured.includes(hash), 'the plain hash of the root token went over the wire');
  });
});
