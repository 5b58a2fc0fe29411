import { createServer, request as httpRequest } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLog, systemClock } from '@coffer/kernel';
import { etcdLock, etcdStore } from '@coffer/storage-remote';
import type { Group, RemoteStore } from '@coffer/storage-remote';
import { runEtcd } from '../../databases/index.ts';
import type { RunningEtcd } from '../../databases/index.ts';

let server: RunningEtcd;
const stores: RemoteStore[] = [];
const proxies: Server[] = [];

beforeAll(async () => {
  server = await runEtcd();
}, 60_000);

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const proxy of proxies.splice(0)) proxy.close();
});

afterAll(() => server.program.remove());

async function open(path: string, address = server.url): Promise<RemoteStore> {
  const store = etcdStore({ addresses: [address], path, requestMsMax: 3000 }, systemClock, silentLog);
  stores.push(store);
  await store.open();
  return store;
}

/** Passes requests on until one fits; answers that one, and refuses all others from then on: the node has died. */
async function proxyUntil(fits: (body: string) => boolean): Promise<string> {
  let dead = false;
  const proxy = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      if (dead) {
        incoming.socket.destroy();
        return;
      }
      const body = Buffer.concat(parts);
      dead = fits(body.toString());
      const onward = httpRequest(new URL(incoming.url ?? '/', server.url), { method: 'POST' }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => incoming.socket.destroy());
      onward.end(body);
    });
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`;
}

const groupOf = (epoch: number, after: number, changes: readonly (readonly [string, string | undefined])[]): Group => ({
  id: crypto.randomUUID(),
  epoch,
  after,
  batches: [changes.map(([key]) => key)],
  changes: new Map(changes.map(([key, text]) => [key, text === undefined ? undefined : Buffer.from(text)])),
});

const many = (count: number, text: string): (readonly [string, string])[] =>
  Array.from({ length: count }, (_, index) => [`many/${String(index).padStart(4, '0')}`, text] as const);

const text = async (store: RemoteStore, key: string): Promise<string | undefined> => {
  const { value } = await store.get(key);
  return value && Buffer.from(value).toString();
};

describe('a store in etcd', () => {
  it('refuses what was sent under an epoch that is over, large or small, and writes none of it', async () => {
    const [former, present] = [await open('/fenced/'), await open('/fenced/')];
    await former.claim(1);
    expect(await former.commit(groupOf(1, 0, [['a', 'one']]))).toBe(true);
    expect(await present.claim(2)).toEqual({ epoch: 2, index: 1 });
    expect(await former.commit(groupOf(1, 1, [['a', 'two']]))).toBe(false);
    expect(await former.commit(groupOf(1, 1, many(300, 'two')))).toBe(false);
    expect(await text(present, 'a')).toBe('one');
    expect((await present.keys({ from: 'many/', to: 'many0' })).value).toEqual([]);
    expect(await former.claim(1)).toEqual({ epoch: 2, index: 1 });
  });

  it('writes a group once, however often it is sent, and knows it afterwards', async () => {
    const store = await open('/once/');
    await store.claim(1);
    for (const [after, sent] of [groupOf(1, 0, [['a', 'one']]), groupOf(1, 1, many(300, 'x'))].entries()) {
      expect(await store.holds(sent)).toBe(false);
      expect([await store.commit(sent), await store.commit(sent)]).toEqual([true, false]);
      expect(await store.holds(sent)).toBe(true);
      expect((await store.feed(after)).groups).toEqual([{ first: after + 1, id: sent.id, batches: sent.batches }]);
    }
    await store.trim(1);
    expect((await store.feed(0)).groups.map(({ first }) => first)).toEqual([2]);
  });

  it('takes a group that no transaction could hold as a whole', async () => {
    const store = await open('/large/');
    await store.claim(1);
    expect(await store.commit(groupOf(1, 0, many(1000, 'v'.repeat(4000))))).toBe(true);
    expect((await store.keys({ from: '', to: 'z' })).value).toHaveLength(1000);
    expect(await text(store, 'many/0999')).toBe('v'.repeat(4000));
    const gone = many(1000, '').map(([key]) => [key, undefined] as const);
    expect(await store.commit(groupOf(1, 1, gone))).toBe(true);
    expect((await store.keys({ from: '', to: 'z' })).value).toEqual([]);
  });

  it('shows nothing of a large group that its writer did not end, until the next one has', async () => {
    const path = '/crash/';
    const named = Buffer.from(`${path}meta/staged`).toString('base64');
    const other = await open(path);
    await other.claim(1);
    await other.commit(groupOf(1, 0, many(300, 'before')));
    const dying = await open(path, await proxyUntil((body) => body.includes(`"request_put":{"key":"${named}"`)));
    await expect(dying.commit(groupOf(1, 1, many(300, 'after')))).rejects.toMatchObject({ name: 'Unreachable' });
    expect(await other.head()).toEqual({ epoch: 1, index: 2 });
    const early = await Promise.race([
      other.get('many/0000').then(() => 'shown'),
      new Promise((resolve) => setTimeout(() => resolve('held back'), 300)),
    ]);
    expect(early).toBe('held back');
    const read = other.get('many/0299');
    expect(await other.claim(2)).toEqual({ epoch: 2, index: 2 });
    expect(Buffer.from((await read).value ?? []).toString()).toBe('after');
    for (const key of ['many/0000', 'many/0150', 'many/0299']) expect(await text(other, key)).toBe('after');
    expect(await other.commit(groupOf(2, 2, [['a', 'b']]))).toBe(true);
  });

  it('leaves a folder as one name, however much it holds, and goes through pages of one state', async () => {
    const store = await open('/folders/');
    await store.claim(1);
    const keys = Array.from({ length: 700 }, (_, index) => `f/${String(index % 3)}/${String(index)}`);
    await store.commit(groupOf(1, 0, [...keys.map((key) => [key, 'x'] as const), ['f/leaf', 'x']]));
    expect((await store.list('f/', {})).value).toEqual(['0/', '1/', '2/', 'leaf']);
    expect((await store.list('f/', { after: '0/', limit: 2 })).value).toEqual(['1/', '2/']);
    expect((await store.list('f/1/', {})).value).toHaveLength(233);
  });

  it('refuses a batch whose keys alone are too much', async () => {
    const store = await open('/keys/');
    await store.claim(1);
    const long = Array.from({ length: 400 }, (_, index) => [`${'k'.repeat(4000)}${String(index)}`, ''] as const);
    await expect(store.commit(groupOf(1, 0, long))).rejects.toMatchObject({ name: 'StorageError', code: 'too-large' });
  });

  it('refuses keys of another format', async () => {
    const put = {
      key: Buffer.from('/other/meta/format').toString('base64'),
      value: Buffer.from('9').toString('base64'),
    };
    await fetch(`${server.url}/v3/kv/put`, { method: 'POST', body: JSON.stringify(put) });
    await expect(open('/other/')).rejects.toMatchObject({ name: 'StorageError', code: 'corrupt' });
  });

  it('goes on with the next address where one does not answer', async () => {
    const lock = etcdLock(
      { addresses: ['http://127.0.0.1:1', server.url], path: '/lock/', requestMsMax: 3000 },
      systemClock,
      silentLog,
    );
    const address = { nodeId: 'a', apiAddress: 'http://a', clusterAddress: 'https://a' };
    const record = { epoch: 3, beat: 1, holder: { session: 's', address } };
    expect(await lock.read()).toBeUndefined();
    expect([await lock.write(record), await lock.write(record)]).toEqual([true, false]);
    expect(await lock.read()).toEqual(record);
    expect(await lock.write({ epoch: 3, beat: 2, holder: undefined })).toBe(true);
    expect(await lock.read()).toEqual({ epoch: 3, beat: 2, holder: undefined });
    await lock.close();
  });
});
