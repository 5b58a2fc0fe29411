/** Nodes that keep nothing themselves: three on one PostgreSQL database. */
import { runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { describeSharedStorage } from './shared-storage.mjs';

describeSharedStorage('PostgreSQL', async () => {
  const server = await runPostgresql();
  return {
    server,
    storage: () => `storage "postgresql" {
  connection_url = "${server.url}"
  ha_enabled     = true
}
`,
  };
});
