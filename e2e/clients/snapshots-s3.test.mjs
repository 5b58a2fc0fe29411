/** Automatic snapshots in a bucket: moto's server speaks the protocol of S3. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';

import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, ServerProcess } from '../cluster.mjs';
import { eventually, freePort } from '../program.mjs';
import { pythonPrograms } from '../python-venv.mjs';

const requirements = join(dirname(fileURLToPath(import.meta.url)), 'python/moto-requirements.txt');
const PATH = 'sys/storage/raft/snapshot-auto';

/** Moto looks whether a request is signed, not by whom. */
const SIGNED =
  'AWS4-HMAC-SHA256 Credential=an-id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none';

describe('automatic snapshots in S3', () => {
  let cluster;
  let moto;
  let folder;
  let s3;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-s3-'));
    const port = await freePort();
    const program = join(pythonPrograms('e2e-moto', requirements), 'moto_server');
    moto = new ServerProcess([program, '-H', '127.0.0.1', '-p', String(port)], join(folder, 'moto.log'));
    s3 = `http://127.0.0.1:${port}`;
    await eventually('moto answers', async () => (await fetch(`${s3}/moto-api/`)).status < 500, 60_000);
    assert.equal((await fetch(`${s3}/backups`, { method: 'PUT' })).status, 200);
    cluster = await Cluster.start({ nodes: 1 });
  });
  after(async () => {
    await cluster?.stop();
    await moto?.end();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const names = async () => {
    const text = await (await fetch(`${s3}/backups?list-type=2`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
  };
  const configure = (body) =>
    cluster.request(cluster.nodes[0], 'POST', `${PATH}/config/s3`, {
      body: {
        interval: '1s',
        retain: 2,
        path_prefix: 'coffer/nightly',
        storage_type: 'aws-s3',
        aws_s3_bucket: 'backups',
        aws_s3_region: 'us-east-1',
        aws_s3_endpoint: s3.replace('http://', ''),
        aws_s3_disable_tls: true,
        aws_s3_force_path_style: true,
        aws_access_key_id: 'an-id',
        aws_secret_access_key: 'a-secret',
        ...body,
      },
    });

  it('are put there, read back, and kept up to a number; others stay', async () => {
    assert.equal((await fetch(`${s3}/backups/coffer/nightly/of-others`, { method: 'PUT', body: 'x' })).status, 200);
    assert.equal((await configure({})).status, 204);
    const own = async () => (await names()).filter((name) => name.endsWith('.snap'));
    const first = await eventually('a snapshot', async () => (await own())[0]);
    await eventually('the first is replaced', async () => {
      const now = await own();
      return now.length === 2 && !now.includes(first);
    });
    assert.ok((await names()).includes('coffer/nightly/of-others'));
    const { body } = await cluster.request(cluster.nodes[0], 'GET', `${PATH}/status/s3`);
    assert.equal(body.data.last_snapshot_error, '');
    assert.match(body.data.last_snapshot_url, /^s3:\/\/backups\/coffer\/nightly\/vault-snapshot-\d{19}\.snap$/);
    const config = await cluster.request(cluster.nodes[0], 'GET', `${PATH}/config/s3`);
    assert.equal(config.body.data.aws_access_key_id, 'an-id');
    assert.ok(!JSON.stringify(config.body).includes('a-secret'));
    assert.ok(!readFileSync(cluster.nodes[0].process.logFile, 'utf8').includes('a-secret'));
  });

  it('can be restored', async () => {
    await cluster.request(cluster.nodes[0], 'DELETE', `${PATH}/config/s3`);
    // One that was under way is finished, and may push another one out.
    const archive = await eventually('a snapshot is there', async () => {
      const newest = (await names()).filter((name) => name.endsWith('.snap')).at(-1);
      const response = await fetch(`${s3}/backups/${newest}`, { headers: { Authorization: SIGNED } });
      return response.status === 200 && Buffer.from(await response.arrayBuffer());
    });
    const { status } = await fetch(`${cluster.nodes[0].url}/v1/sys/storage/raft/snapshot`, {
      method: 'POST',
      headers: { 'X-Vault-Token': cluster.token },
      body: archive,
    });
    assert.equal(status, 204);
  });

  it('say what is wrong with the bucket', async () => {
    assert.equal((await configure({ aws_s3_bucket: 'none' })).status, 204);
    const error = await eventually('a failure is told', async () => {
      const { body } = await cluster.request(cluster.nodes[0], 'GET', `${PATH}/status/s3`);
      return body?.data?.last_snapshot_error;
    });
    assert.match(error, /bucket/i);
  });
});
