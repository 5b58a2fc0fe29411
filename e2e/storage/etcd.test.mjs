/** Nodes that keep nothing themselves: three on one etcd, with the limits that etcd has by default. */
import { runEtcd } from '../../libs/testing/dist/databases/index.js';
import { describeSharedStorage } from './shared-storage.mjs';

describeSharedStorage('etcd', async () => {
  const server = await runEtcd();
  return {
    server,
    storage: () => `storage "etcd" {
  address    = "${server.url}"
  ha_enabled = true
}
`,
  };
});
