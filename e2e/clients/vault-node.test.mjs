/** node-vault, the client for Node that most use, through a standby of a cluster. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import vault from 'node-vault';
import { Cluster } from '../cluster.mjs';

describe('node-vault', () => {
  let cluster;
  let client;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    const [standby] = await cluster.standbys();
    client = vault({ apiVersion: 'v1', endpoint: standby.url, token: cluster.token });
  });
  after(() => cluster?.stop());

  it('reads the state', async () => {
    assert.equal((await client.initialized()).initialized, true);
    assert.equal((await client.status()).sealed, false);
    assert.ok(Object.hasOwn(await client.mounts(), 'sys/'));
  });

  it('mounts, writes, reads, lists and deletes', async () => {
    await client.mount({ mount_point: 'node-kv', type: 'kv', options: { version: '2' } });
    await client.write('node-kv/data/app', { data: { a: 1, nested: { b: [1, 2] } } });
    const { data } = await client.read('node-kv/data/app');
    assert.deepEqual(data.data, { a: 1, nested: { b: [1, 2] } });
    assert.deepEqual((await client.list('node-kv/metadata/')).data.keys, ['app']);
    await client.delete('node-kv/data/app');
    await assert.rejects(client.read('node-kv/data/app'), ({ response }) => response.statusCode === 404);
    await client.unmount({ mount_point: 'node-kv' });
  });

  it('logs in by user and by role', async () => {
    await client.enableAuth({ mount_point: 'userpass', type: 'userpass' });
    await client.write('auth/userpass/users/ann', { password: 'wonderland', policies: 'default' });
    const own = vault({ endpoint: cluster.nodes[0].url });
    await own.userpassLogin({ username: 'ann', password: 'wonderland' });
    assert.equal((await own.tokenLookupSelf()).data.display_name, 'userpass-ann');

    await client.enableAuth({ mount_point: 'approle', type: 'approle' });
    await client.addApproleRole({ role_name: 'app', policies: 'default' });
    const { data: role } = await client.getApproleRoleId({ role_name: 'app' });
    const { data: secret } = await client.getApproleRoleSecret({ role_name: 'app' });
    const app = vault({ endpoint: cluster.nodes[1].url });
    await app.approleLogin({ role_id: role.role_id, secret_id: secret.secret_id });
    assert.deepEqual((await app.tokenLookupSelf()).data.policies, ['default']);
  });

  it('writes policies and makes, renews and revokes tokens', async () => {
    await client.addPolicy({ name: 'node-policy', rules: 'path "cubbyhole/*" { capabilities = ["read"] }' });
    assert.match((await client.getPolicy({ name: 'node-policy' })).rules, /cubbyhole/);
    const { auth } = await client.tokenCreate({ policies: ['node-policy'], ttl: '1h' });
    // node-vault goes on with each token that it makes
    client.token = cluster.token;
    const own = vault({ endpoint: cluster.nodes[2].url, token: auth.client_token });
    await own.tokenRenewSelf();
    await assert.rejects(
      own.write('sys/policies/acl/other', { policy: '' }),
      ({ response }) => response.statusCode === 403,
    );
    await client.tokenRevoke({ token: auth.client_token });
    await assert.rejects(own.tokenLookupSelf(), ({ response }) => response.statusCode === 403);
  });

  it('unwraps once', async () => {
    const wrapped = await client.write('sys/wrapping/wrap', { a: 'b' }, { headers: { 'X-Vault-Wrap-TTL': '60s' } });
    const { token } = wrapped.wrap_info;
    assert.deepEqual((await client.unwrap({ token })).data, { a: 'b' });
    await assert.rejects(client.unwrap({ token }), ({ response }) => response.statusCode === 400);
  });
});
