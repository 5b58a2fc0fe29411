import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { Secret, silentLog, systemClock, systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import type { SealKey, ShamirSealManager } from '@coffer/barrier';
import { JoinServer, JoinTargets, challengeToJson, fromBase64, toBase64 } from '@coffer/cluster';
import type { JoinGrant, RaftNode } from '@coffer/cluster';
import { ClusterSeeker } from './cluster-seeker.ts';

/** No encryption: what it is for is shown in the cluster's own specs. */
const plain: SealKey = { encrypt: (bytes) => bytes, decrypt: (bytes) => bytes };
/** The patience of who unseals ends at once. */
const impatient: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms >= 30_000 ? 1 : ms, run) };

let server: Server;
let url: string;
let granted: number;
let clock: Clock;

beforeEach(async () => {
  granted = 0;
  clock = systemClock;
  const joins = new JoinServer(systemClock, systemRandom);
  server = createServer((request, response) => {
    void json(request).then(async (body) => {
      const { server_id: serverId, answer } = body as { server_id: string; answer?: string };
      const asked = { serverId, source: 'here' };
      const data =
        answer === undefined
          ? challengeToJson(joins.challenge(asked, { clusterId: 'c', sealer: plain, sealConfig: Buffer.from('{}') }))
          : {
              grant: toBase64(
                await joins.answer({ ...asked, answer: fromBase64(answer) }, plain, () => Promise.resolve(grant())),
              ),
            };
      response.end(JSON.stringify({ data }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});

afterEach(() => {
  server.close();
});

function grant(): JoinGrant {
  granted++;
  return { clusterId: 'c', peerId: 1 + granted, tls: { caCertificate: 'x', caKey: new Secret('y') }, peers: [] };
}

/** A node that found a cluster; what it does with the seal's key, and its disk. */
async function found(join: RaftNode['join'], urls: readonly string[] = [url]) {
  let expected: ((key: SealKey) => Promise<void>) | undefined;
  const raft = {
    self: { nodeId: 'n', apiAddress: 'http://n', clusterAddress: 'https://n:1' },
    clusterId: () => undefined,
    join,
  } as unknown as RaftNode;
  const seal = { expectJoin: (_: unknown, run: typeof expected) => void (expected = run) };
  const seeker = new ClusterSeeker(
    { raft, clock, random: systemRandom, log: silentLog },
    () => seal as unknown as ShamirSealManager,
  );
  const sources = urls.map((leaderApiAddress) => ({ kind: 'address', target: { leaderApiAddress } }) as const);
  const none = () => Promise.resolve([]);
  await seeker.find(
    new JoinTargets(sources, { addresses: none, services: none, pods: none, instances: none }, silentLog),
    false,
  );
  return { seeker, withKey: () => (expected as (key: SealKey) => Promise<void>)(plain) };
}

it('joins by the key that its shares make up', async () => {
  const grants: JoinGrant[] = [];
  const { withKey } = await found((given) => Promise.resolve(void grants.push(given)));
  await withKey();
  expect(grants).toMatchObject([{ clusterId: 'c', peerId: 2 }]);
});

it('goes on copying a large state when patience ends, and does not begin again', async () => {
  clock = impatient;
  const { promise, resolve } = Promise.withResolvers<void>();
  let joins = 0;
  const { withKey } = await found(() => {
    joins++;
    return promise;
  });
  await expect(withKey()).rejects.toThrow('still copies the state of the cluster: unseal it again');
  await expect(withKey()).rejects.toThrow('still copies');
  expect([joins, granted]).toEqual([1, 1]);
  resolve();
});

it('begins again after copying failed', async () => {
  const outcomes = [Promise.reject(new Error('the leader went away')), Promise.resolve()];
  outcomes[0]?.catch(() => undefined);
  const { withKey } = await found(() => outcomes.shift() as Promise<void>);
  await expect(withKey()).rejects.toThrow('the leader went away');
  await withKey();
  expect(granted).toBe(2);
});

it('joins through another node where the one that was found is gone by then', async () => {
  const spare = createServer((request, response) => {
    void json(request).then(() => {
      response.end(JSON.stringify({ data: { challenge: 'AA==', seal_config: 'e30=', cluster_id: 'c' } }));
    });
  });
  await new Promise<void>((resolve) => spare.listen(0, '127.0.0.1', resolve));
  const first = `http://127.0.0.1:${String((spare.address() as AddressInfo).port)}`;
  const { withKey } = await found(() => Promise.resolve(), [first, url]);
  await new Promise((resolve) => spare.close(resolve));
  await withKey();
  expect(granted).toBe(1);
});
