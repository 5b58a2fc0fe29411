import { readFileSync } from 'node:fs';
import { silentLog, systemClock } from '@coffer/kernel';
import { etcdStore } from '@coffer/storage-remote';
import type { EtcdTls, RemoteStore } from '@coffer/storage-remote';
import { TestAuthority, runEtcd } from '../../databases/index.ts';
import type { CertificateFiles, RunningEtcd } from '../../databases/index.ts';

let authority: TestAuthority;
let other: TestAuthority;
let server: RunningEtcd;
let store: RemoteStore | undefined;

beforeAll(async () => {
  authority = await TestAuthority.create();
  other = await TestAuthority.create();
  server = await runEtcd(await authority.issue('etcd'));
}, 60_000);

afterEach(() => store?.close());

afterAll(async () => {
  await server.program.remove();
  authority.remove();
  other.remove();
});

const read = ({ caFile, certFile, keyFile }: CertificateFiles): EtcdTls => ({
  ca: readFileSync(caFile, 'utf8'),
  cert: readFileSync(certFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
});

describe('an etcd that asks for certificates', () => {
  it('is shown those of the moment, with each new connection', async () => {
    let tls: () => EtcdTls;
    const good = await authority.issue('coffer');
    const theirs = { ...(await other.issue('coffer')), caFile: good.caFile };
    tls = () => read(good);
    store = etcdStore(
      { addresses: [server.url], path: '/tls/', requestMsMax: 3000, tls: () => tls() },
      systemClock,
      silentLog,
    );
    await store.open();
    const restart = async (): Promise<void> => {
      await server.program.end();
      await server.program.start();
    };

    tls = () => read(theirs);
    await restart();
    await expect(store.head()).rejects.toMatchObject({ name: 'Unreachable' });

    tls = () => read(good);
    expect(await store.head()).toMatchObject({ index: 0 });

    tls = () => {
      throw new Error('the file is away for a moment');
    };
    await restart();
    await store.head().catch(() => undefined);
    expect(await store.head()).toMatchObject({ index: 0 });
  });
});
