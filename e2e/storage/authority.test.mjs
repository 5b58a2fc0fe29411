/** The authority of the cluster port is replaced under load also where nodes share a database. */
import { after, before, describe, it } from 'node:test';
import { runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';
import { ROTATION_SETTINGS, rotateUnderLoad } from '../rotation.mjs';

describe('the authority of the cluster port of nodes on PostgreSQL', () => {
  let server;
  let cluster;
  before(async () => {
    server = await runPostgresql();
    const storage = () => `storage "postgresql" {
  connection_url = "${server.url}"
  ha_enabled     = true
}
`;
    cluster = await Cluster.start({ nodes: 3, storage, settings: ROTATION_SETTINGS });
  });
  after(async () => {
    await cluster?.stop();
    await server?.program.remove();
  });

  it('is replaced, also while one of them is down', () => rotateUnderLoad(cluster, { waits: false }));
});
