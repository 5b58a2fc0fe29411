/** A node that finds its cluster by the tags of EC2 instances: moto's server speaks the protocol of EC2. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, ServerProcess, call } from '../cluster.mjs';
import { eventually, freePort } from '../program.mjs';
import { pythonPrograms } from '../python-venv.mjs';

const requirements = join(dirname(fileURLToPath(import.meta.url)), 'python/moto-requirements.txt');
/** Moto looks whether a request is signed, not by whom. */
const SIGNED =
  'AWS4-HMAC-SHA256 Credential=an-id/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=none';

describe('a node that looks for EC2 instances with a tag', () => {
  let cluster;
  let moto;
  let folder;
  let endpoint;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-ec2-'));
    const port = await freePort();
    const program = join(pythonPrograms('e2e-moto', requirements), 'moto_server');
    moto = new ServerProcess([program, '-H', '127.0.0.1', '-p', String(port)], join(folder, 'moto.log'));
    endpoint = `http://127.0.0.1:${port}`;
    await eventually('moto answers', async () => (await fetch(`${endpoint}/moto-api/`)).status < 500, 60_000);
  });
  after(async () => {
    await cluster?.stop();
    await moto?.end();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** An instance at this machine's own address: the nodes are there. */
  async function startInstance(tag) {
    const body = new URLSearchParams({
      Action: 'RunInstances',
      Version: '2016-11-15',
      ImageId: 'ami-12c6146b',
      MinCount: '1',
      MaxCount: '1',
      PrivateIpAddress: '127.0.0.1',
      'TagSpecification.1.ResourceType': 'instance',
      'TagSpecification.1.Tag.1.Key': 'cluster',
      'TagSpecification.1.Tag.1.Value': tag,
    });
    const answer = await fetch(endpoint, { method: 'POST', headers: { Authorization: SIGNED }, body });
    assert.equal(answer.status, 200, await answer.text());
  }

  it('joins the one that appears while it looks, and tells nobody its key', async () => {
    await startInstance('green');
    let first;
    const storage = (node) => {
      first ??= node;
      const found = `provider=aws tag_key=cluster tag_value=blue region=us-east-1 endpoint=${endpoint}`;
      const looks = `  retry_join {
    auto_join        = "${found} access_key_id=an-id secret_access_key=canary-of-aws"
    auto_join_scheme = "http"
    auto_join_port   = ${first.apiPort}
  }
`;
      return `storage "raft" {\n  path    = "${node.folder}"\n  node_id = "${node.id}"\n${node === first ? '' : looks}}\n`;
    };
    cluster = await Cluster.start({ nodes: 2, initialise: false, storage });
    const [active, joiner] = cluster.nodes;
    await eventually('the node finds nothing yet', () =>
      joiner.process.log.includes('the directory names no node to join'),
    );
    await startInstance('blue');
    await cluster.initialise();
    const { body } = await cluster.request(active, 'GET', 'sys/storage/raft/configuration');
    assert.deepEqual(
      body.data.config.servers.map(({ node_id }) => node_id),
      ['node-1', 'node-2'],
    );
    assert.ok(!joiner.process.log.includes('canary-of-aws'));
    const diagnosed = await cluster.cli(joiner, ['operator', 'diagnose', `-config=${joiner.configFile}`]);
    assert.match(diagnosed.stdout, /provider=aws/);
    assert.ok(!(diagnosed.stdout + diagnosed.stderr).includes('canary-of-aws'));
  });

  it('says where the mistake is', async () => {
    const file = join(folder, 'mistake.hcl');
    const path = join(folder, 'data');
    writeFileSync(
      file,
      `storage "raft" {\n  path = "${path}"\n  retry_join {\n    auto_join = "provider=gce zone=x"\n  }\n}\n` +
        'listener "tcp" {\n  tls_disable = true\n}\n',
    );
    const { code, stderr, stdout } = await cluster.cli(cluster.nodes[0], ['server', `-config=${file}`]);
    assert.notEqual(code, 0);
    assert.match(
      stdout + stderr,
      /mistake\.hcl:4:\d+: auto_join: the provider "gce" is not available: expected dns, k8s or aws/,
    );
    assert.ok(!existsSync(path));
    const diagnosed = await cluster.cli(cluster.nodes[0], ['operator', 'diagnose', `-config=${file}`]);
    assert.equal(diagnosed.code, 1);
    assert.match(diagnosed.stdout, /failure.*mistake\.hcl:4:\d+: auto_join: the provider "gce"/);
  });

  it('lets nobody send its requests elsewhere by the API', async () => {
    const other = await Cluster.start({ nodes: 1, initialise: false });
    try {
      const auto_join = `provider=aws tag_key=cluster tag_value=blue endpoint=${endpoint}`;
      const { status, body } = await call(other.nodes[0].url, 'POST', 'sys/storage/raft/join', { body: { auto_join } });
      assert.equal(status, 400);
      assert.match(body.errors[0], /endpoint can be set by retry_join in the configuration only/);
    } finally {
      await other.stop();
    }
  });
});
