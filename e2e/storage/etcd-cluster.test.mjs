/** An etcd of three members, reached by TLS alone, that loses its leader. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority, runEtcdCluster } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';
import { eventually } from '../program.mjs';
import { mustHold, writer } from '../writers.mjs';

describe('nodes on an etcd of three members, by TLS', () => {
  let authority;
  let other;
  let members;
  let files;
  let cluster;
  before(async () => {
    authority = await TestAuthority.create();
    other = await TestAuthority.create();
    members = await runEtcdCluster(3, await authority.issue('etcd'));
    files = await authority.issue('coffer');
    cluster = await Cluster.start({ nodes: 2, storage: () => block() });
    await cluster.mountKv();
  });
  after(async () => {
    await cluster?.stop();
    for (const member of members ?? []) await member.program.remove();
    authority?.remove();
    other?.remove();
  });

  const block = ({
    caFile = files.caFile,
    certFile = files.certFile,
    keyFile = files.keyFile,
  } = {}) => `storage "etcd" {
  address       = "${members.map(({ url }) => url).join(',')}"
  ha_enabled    = true
  tls_ca_file   = "${caFile}"
${certFile ? `  tls_cert_file = "${certFile}"\n  tls_key_file  = "${keyFile}"\n` : ''}}
`;

  /** How a server that cannot use its storage ends. */
  async function ends(storage) {
    const file = join(cluster.folder, 'refused.hcl');
    writeFileSync(file, `${storage}listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n`);
    const { code, stdout, stderr } = await cluster.cli(cluster.nodes[0], ['server', `-config=${file}`]);
    assert.equal(code, 1);
    return stdout + stderr;
  }

  const write = (node, path, body, options) => cluster.request(node, 'PUT', path, { body, ...options });
  const read = (node, path) => cluster.request(node, 'GET', path);

  async function leader() {
    return eventually('etcd has a leader', async () => {
      for (const member of members) if (await member.leads().catch(() => false)) return member;
      return undefined;
    });
  }

  for (const signal of ['SIGKILL', 'SIGSTOP'])
    it(`lose nothing when the leader of etcd gets ${signal}, and write on with the other two`, async () => {
      const writers = cluster.nodes.map((node, number) =>
        writer(cluster, [node], `${signal}-${number}`, { bytes: 0, pauseMs: 10, timeoutMs: 10_000 }),
      );
      const acknowledged = () => writers.flatMap((each) => each.acknowledged);
      const lost = await leader();
      try {
        await eventually('writes go', () => acknowledged().length > 20);
        const count = acknowledged().length;
        if (signal === 'SIGKILL') await lost.program.end('SIGKILL');
        else lost.program.signal('SIGSTOP');
        await eventually('writes go on', () => acknowledged().length > count + 40, 30_000);
      } finally {
        if (signal === 'SIGSTOP') lost.program.signal('SIGCONT');
        for (const each of writers) await each.stop();
        await mustHold(cluster, cluster.nodes, acknowledged());
      }
      if (signal === 'SIGKILL') await lost.program.start();
      await cluster.ready();
    });

  it('fail over while a member of etcd is away', async () => {
    const [first] = members;
    await first.program.end('SIGKILL');
    const active = await cluster.active();
    const [standby] = cluster.nodes.filter((node) => node !== active);
    await cluster.kill(active);
    await eventually('writes go on', async () => (await write(standby, 'kv/a', { b: 'c' })).status === 204, 15_000);
    // It starts although the address that is named first does not answer.
    await cluster.restart(active);
    await cluster.ready();
    assert.equal((await read(active, 'kv/a')).body.data.b, 'c');
    await first.program.start();
  });

  it('refuse an etcd whose certificate another authority signed', async () => {
    assert.match(await ends(block({ caFile: other.caFile })), /etcd cannot be used: .*certificate/);
  });

  it('are refused without a certificate, or with one of another authority', async () => {
    assert.match(await ends(block({ certFile: '' })), /etcd cannot be used: /);
    const theirs = await other.issue('coffer');
    assert.match(await ends(block({ ...theirs, caFile: files.caFile })), /etcd cannot be used: /);
  });
});
