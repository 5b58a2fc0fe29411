import { silentLog, systemClock } from '@coffer/kernel';
import { etcdStore } from '@coffer/storage-remote';
import type { EtcdSettings, RemoteStore } from '@coffer/storage-remote';
import { runEtcd } from '../../databases/index.ts';
import type { RunningEtcd } from '../../databases/index.ts';

let server: RunningEtcd;
const stores: RemoteStore[] = [];

beforeAll(async () => {
  server = await runEtcd();
  const post = async (path: string, body: unknown): Promise<void> => {
    const answer = await fetch(`${server.url}/v3/auth/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  await post('user/add', { name: 'root', password: 'right' });
  await post('role/add', { name: 'root' });
  await post('user/grant', { user: 'root', role: 'root' });
  await post('enable', {});
}, 60_000);

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

afterAll(() => server.program.remove());

async function open(settings: Partial<EtcdSettings>): Promise<RemoteStore> {
  const store = etcdStore(
    { addresses: [server.url], path: '/auth/', requestMsMax: 3000, ...settings },
    systemClock,
    silentLog,
  );
  stores.push(store);
  await store.open();
  return store;
}

describe('an etcd that asks for a password', () => {
  it('takes the right one', async () => {
    const store = await open({ username: 'root', password: 'right' });
    await store.claim(1);
    expect(await store.head()).toEqual({ epoch: 1, index: 0 });
  });

  it('refuses a wrong one, and none, which is no reason to ask again and again', async () => {
    for (const settings of [{ username: 'root', password: 'wrong' }, {}]) {
      const failure: unknown = await open(settings).catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: 'StorageError', code: 'disk' });
      expect(String(failure)).not.toContain('wrong');
    }
  });

  it('gives a new token where the old one has ended', async () => {
    const store = await open({ username: 'root', password: 'right' });
    // A server that starts anew knows none of the tokens that it gave out before.
    await server.program.end();
    await server.program.start();
    expect(await store.head()).toMatchObject({ index: 0 });
  });
});
