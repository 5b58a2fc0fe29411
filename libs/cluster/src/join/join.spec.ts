import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { Secret, systemClock, systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { JoinGrant, JoinSealer, JoinTarget } from '../cluster.ts';
import { createClusterTls, issueNodeCertificate } from '../transport/cluster-ca.ts';
import { nodeName } from '../transport/node-name.ts';
import { JoinClient } from './join-client.ts';
import { JOIN_STATUS, JoinError } from './join-error.ts';
import { JoinServer } from './join-server.ts';
import {
  ANSWER_BYTES_MAX,
  ANSWER_PATH,
  CHALLENGE_PATH,
  challengeToJson,
  encodeAnswer,
  encodeGrant,
  fromBase64,
  openFor,
  sealFor,
  toBase64,
} from './join-wire.ts';

/** AES-256-GCM with a key of its own, as a seal would do it. */
function sealerWith(key: Buffer): JoinSealer {
  return {
    encrypt(plaintext) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    },
  };
}

const sealer = sealerWith(randomBytes(32));
const otherSealer = sealerWith(randomBytes(32));
const joiner: NodeAddress = {
  nodeId: 'node-2',
  apiAddress: 'http://127.0.0.1:8300',
  clusterAddress: 'https://127.0.0.1:8301',
};
const grant: JoinGrant = {
  clusterId: 'cluster-one',
  peerId: 2,
  tls: { caCertificate: 'a certificate', caKey: new Secret('canary-key') },
  peers: [{ nodeId: 'node-1', apiAddress: 'http://a', clusterAddress: 'https://b', peerId: 1 }],
};
const cluster = { clusterId: 'cluster-one', sealer, sealConfig: Buffer.from('{"shares":5}') };
const asked = { serverId: 'node-2', source: '10.0.0.2' };

/** A clock that moves by hand. */
function handClock(): Clock & { advance(ms: number): void } {
  let nowMs = 1000;
  return { ...systemClock, nowMs: () => nowMs, monotonicMs: () => nowMs, advance: (ms) => void (nowMs += ms) };
}

/** Does what a joiner does, by hand. */
function solve(server: JoinServer, from = joiner, using = sealer): Uint8Array {
  const { sealed } = server.challenge({ ...asked, serverId: from.nodeId }, cluster);
  const challenge = openFor('challenge', sealer, sealed);
  return sealFor('answer', using, encodeAnswer({ challenge, joiner: from, nonVoter: false }));
}

const codeOf = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
    return 'done';
  } catch (error) {
    return error instanceof JoinError ? error.code : error;
  }
};

describe('JoinServer', () => {
  const admitted: NodeAddress[] = [];
  const admit = (node: NodeAddress): Promise<JoinGrant> => {
    admitted.push(node);
    return Promise.resolve(grant);
  };
  const answer = (server: JoinServer, bytes: Uint8Array, serverId = 'node-2'): Promise<Uint8Array> =>
    server.answer({ ...asked, serverId, answer: bytes }, sealer, admit);
  let clock: ReturnType<typeof handClock>;
  let server: JoinServer;
  beforeEach(() => {
    clock = handClock();
    server = new JoinServer(clock, systemRandom);
    admitted.length = 0;
  });

  it('lets a node in that can read its challenge, and shows the grant to nobody else', async () => {
    const sealed = await answer(server, solve(server));
    expect(admitted).toEqual([joiner]);
    expect(Buffer.from(sealed).includes('canary')).toBe(false);
    expect(openFor('grant', sealer, sealed).toString()).toContain('canary-key');
    expect(await codeOf(() => openFor('grant', otherSealer, sealed))).toBe('wrong-key');
  });

  it.each([
    ['encrypted with another key', () => solve(server, joiner, otherSealer), 'wrong-key'],
    ['that is noise', () => randomBytes(200), 'wrong-key'],
    ['that is empty', () => new Uint8Array(), 'wrong-key'],
    ['that is too long', () => new Uint8Array(ANSWER_BYTES_MAX + 1), 'malformed'],
    ['that is the challenge itself', () => server.challenge(asked, cluster).sealed, 'wrong-key'],
    ['that is a grant', () => sealFor('grant', sealer, encodeGrant(grant, new Uint8Array(72))), 'wrong-key'],
    ['that is no JSON', () => sealFor('answer', sealer, Buffer.from('{')), 'malformed'],
    ['without addresses', () => sealFor('answer', sealer, Buffer.from('{"challenge":"AAAA"}')), 'malformed'],
    ['of another node', () => solve(server, { ...joiner, nodeId: 'node-3' }), 'malformed'],
    ['with an address that cannot be', () => solve(server, { ...joiner, clusterAddress: 'https://' }), 'malformed'],
    ['to a challenge of another process', () => solve(new JoinServer(clock, systemRandom)), 'stale'],
    [
      'to a challenge that it made up',
      () => sealFor('answer', sealer, encodeAnswer({ challenge: randomBytes(72), joiner, nonVoter: false })),
      'stale',
    ],
    [
      'to a challenge that was for another node',
      () => {
        const { sealed } = server.challenge({ ...asked, serverId: 'node-3' }, cluster);
        const challenge = openFor('challenge', sealer, sealed);
        return sealFor('answer', sealer, encodeAnswer({ challenge, joiner, nonVoter: false }));
      },
      'stale',
    ],
  ])('refuses an answer %s', async (_name, made, code) => {
    expect(await codeOf(() => answer(server, made()))).toBe(code);
    expect(admitted).toEqual([]);
  });

  it('takes an answer once, even if admitting failed, and two at once only once', async () => {
    const bytes = solve(server);
    const failing = server.answer({ ...asked, answer: bytes }, sealer, () => Promise.reject(new Error('no quorum')));
    await expect(failing).rejects.toThrow('no quorum');
    expect(await codeOf(() => answer(server, bytes))).toBe('stale');
    const twice = solve(server);
    const codes = await Promise.all([codeOf(() => answer(server, twice)), codeOf(() => answer(server, twice))]);
    expect(codes).toEqual(['done', 'stale']);
    expect(admitted).toHaveLength(1);
  });

  it('forgets a challenge after two minutes, and an answer is never good again', async () => {
    const early = solve(server);
    await answer(server, early);
    const late = solve(server);
    clock.advance(120_001);
    expect(await codeOf(() => answer(server, late))).toBe('stale');
    expect(await codeOf(() => answer(server, early))).toBe('stale');
    const inTime = solve(server);
    clock.advance(119_999);
    expect(await codeOf(() => answer(server, inTime))).toBe('done');
  });

  it('keeps nothing for a flood, which shuts out neither other sources nor challenges given before', async () => {
    const before = solve(server);
    let refused = 0;
    for (let count = 0; count < 10_000; count++) {
      const from = { serverId: `node-${String(count)}`, source: 'flood' };
      if ((await codeOf(() => server.challenge(from, cluster))) === 'busy') refused += 1;
    }
    expect(refused).toBeGreaterThan(9900);
    expect(await codeOf(() => answer(server, before))).toBe('done');
    clock.advance(1000);
    expect(await codeOf(() => server.challenge({ ...asked, source: 'flood' }, cluster))).toBe('done');
  });

  it('bounds what all sources together may ask, and the guesses of one', async () => {
    const codes: unknown[] = [];
    for (let count = 0; count < 1000; count++) {
      codes.push(await codeOf(() => server.challenge({ ...asked, source: String(count) }, cluster)));
    }
    expect(codes.filter((code) => code === 'done')).toHaveLength(200);
    clock.advance(1000);
    const guesses: unknown[] = [];
    for (let count = 0; count < 100; count++) guesses.push(await codeOf(() => answer(server, randomBytes(100))));
    expect(guesses.filter((code) => code === 'wrong-key')).toHaveLength(20);
    expect(guesses.at(-1)).toBe('busy');
  });

  it.each(['', '../x', 'a b', '__proto__.', 'x'.repeat(200)])('refuses the server id %j', async (serverId) => {
    expect(await codeOf(() => server.challenge({ ...asked, serverId }, cluster))).toBe('malformed');
  });
});

describe('JoinClient', () => {
  const never = new AbortController().signal;
  const client = new JoinClient(systemClock);
  const me = { address: joiner, nonVoter: true };
  const servers: Server[] = [];
  let bodies: string[] = [];
  let admitted: unknown[] = [];

  type Respond = (path: string, body: Record<string, string>) => Promise<readonly [number, unknown, string?]>;

  async function listen(respond: Respond, server: Server = createServer()): Promise<JoinTarget> {
    server.on('request', (request: IncomingMessage, response) => {
      void readText(request).then(async (body) => {
        bodies.push(body);
        const [status, json, location] = await respond(request.url ?? '', JSON.parse(body) as Record<string, string>);
        if (location !== undefined) response.setHeader('location', location);
        response.writeHead(status).end(typeof json === 'string' ? json : JSON.stringify(json));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    return { leaderApiAddress: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}` };
  }

  /** Answers as the HTTP API does. */
  function leader(
    using = sealer,
    change: (data: Record<string, string>) => Record<string, string> = (x) => x,
  ): Respond {
    const server = new JoinServer(systemClock, systemRandom);
    return async (path, body) => {
      const from = { serverId: String(body['server_id']), source: '127.0.0.1' };
      try {
        if (path === `/v1/${CHALLENGE_PATH}`) {
          return [200, { data: change(challengeToJson(server.challenge(from, { ...cluster, sealer: using }))) }];
        }
        if (path !== `/v1/${ANSWER_PATH}`) return [404, { errors: [] }];
        const sealed = await server.answer(
          { ...from, answer: fromBase64(String(body['answer'])) },
          using,
          (node, how) => {
            admitted.push({ node, how });
            return Promise.resolve(grant);
          },
        );
        return [200, { data: change({ grant: toBase64(sealed) }) }];
      } catch (error) {
        if (!(error instanceof JoinError)) throw error;
        return [JOIN_STATUS[error.code], { errors: [error.message] }];
      }
    };
  }

  beforeEach(() => {
    bodies = [];
    admitted = [];
  });
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('joins, and nothing that matters crosses the wire in the clear', async () => {
    const target = await listen(leader());
    const granted = await client.join(target, me, sealer, never);
    expect(granted).toMatchObject({ clusterId: 'cluster-one', peerId: 2, peers: grant.peers });
    expect(granted.tls.caKey.reveal()).toBe('canary-key');
    expect(admitted).toEqual([{ node: joiner, how: { nonVoter: true } }]);
    expect(bodies).toHaveLength(2);
    expect(bodies.join()).not.toContain(joiner.clusterAddress);
  });

  it('shows the seal configuration to a node without the key', async () => {
    const challenge = await client.challenge(await listen(leader()), 'node-2', never);
    expect(challenge.clusterId).toBe('cluster-one');
    expect(Buffer.from(challenge.sealConfig).toString()).toBe('{"shares":5}');
  });

  it('gives up at once with the wrong key, without asking to be let in', async () => {
    const target = await listen(leader(otherSealer));
    expect(await codeOf(() => client.join(target, me, sealer, never))).toBe('wrong-key');
    expect(bodies).toHaveLength(1);
  });

  it('refuses a grant that is for another request', async () => {
    let old: string | undefined;
    const target = await listen(
      leader(sealer, (data) => {
        if (data['grant'] === undefined) return data;
        old ??= data['grant'];
        return { grant: old };
      }),
    );
    await client.join(target, me, sealer, never);
    expect(await codeOf(() => client.join(target, me, sealer, never))).toBe('malformed');
  });

  it('refuses a grant for another cluster than the challenge', async () => {
    const target = await listen(leader(sealer, (data) => ({ ...data, cluster_id: 'another' })));
    expect(await codeOf(() => client.join(target, me, sealer, never))).toBe('malformed');
  });

  it('follows a standby to the leader, with the same body, but not in circles', async () => {
    const right = await listen(leader());
    const standby = await listen((path) => Promise.resolve([307, '', right.leaderApiAddress + path]));
    expect((await client.join(standby, me, sealer, never)).peerId).toBe(2);
    const circle = await listen((path) => Promise.resolve([307, '', path]));
    expect(await codeOf(() => client.challenge(circle, 'node-2', never))).toBe('unreachable');
    expect(bodies.length).toBeLessThan(12);
  });

  it('uses the certificates that the target is configured with, and trusts no others', async () => {
    const tls = await createClusterTls(systemClock, systemRandom);
    const leaf = await issueNodeCertificate(tls, 'node-1', systemClock, systemRandom);
    const ours = { cert: leaf.certificate, key: leaf.key.reveal() };
    const secure = createTlsServer({ ...ours, ca: tls.caCertificate, requestCert: true, rejectUnauthorized: true });
    const { leaderApiAddress } = await listen(leader(), secure as unknown as Server);
    const target: JoinTarget = {
      leaderApiAddress: leaderApiAddress.replace('http:', 'https:'),
      caCertificate: tls.caCertificate,
      clientCertificate: ours.cert,
      clientKey: ours.key,
      tlsServerName: nodeName('node-1'),
    };
    expect((await client.join(target, me, sealer, never)).peerId).toBe(2);
    const { caCertificate, ...untrusting } = target;
    const { tlsServerName, ...misnamed } = target;
    expect([caCertificate, tlsServerName]).not.toContain(undefined);
    for (const wrong of [untrusting, misnamed, { ...target, clientCertificate: '', clientKey: '' }]) {
      expect(await codeOf(() => client.challenge(wrong, 'node-2', never))).toBe('unreachable');
    }
  });

  it('does not follow a redirect out of TLS', async () => {
    const tls = await createClusterTls(systemClock, systemRandom);
    const leaf = await issueNodeCertificate(tls, 'node-1', systemClock, systemRandom);
    const plain = await listen(leader());
    const secure = createTlsServer({ cert: leaf.certificate, key: leaf.key.reveal() });
    const respond: Respond = (path) => Promise.resolve([307, '', plain.leaderApiAddress + path]);
    const { leaderApiAddress } = await listen(respond, secure as unknown as Server);
    const target = {
      leaderApiAddress: leaderApiAddress.replace('http:', 'https:'),
      caCertificate: tls.caCertificate,
      tlsServerName: nodeName('node-1'),
    };
    expect(await codeOf(() => client.challenge(target, 'node-2', never))).toBe('unreachable');
    expect(bodies).toHaveLength(1);
  });

  it.each([
    ['no JSON', 200, 'oops', 'malformed'],
    ['JSON without data', 200, {}, 'malformed'],
    ['a list', 200, [], 'malformed'],
    ['base64 that is none', 200, { data: { challenge: '!', seal_config: '!', cluster_id: 'x' } }, 'malformed'],
    ['an empty challenge', 200, { data: { challenge: '', seal_config: 'AA==', cluster_id: 'x' } }, 'malformed'],
    ['far too much', 200, 'x'.repeat(2_000_000), 'malformed'],
    ['"too many"', 429, { errors: ['busy'] }, 'busy'],
    ['"no such path"', 404, { errors: [] }, 'refused'],
    ['a bad gateway', 502, '<html>', 'unreachable'],
  ])('names what is wrong when a target answers %s', async (_name, status, json, code) => {
    const target = await listen(() => Promise.resolve([status, json]));
    expect(await codeOf(() => client.challenge(target, 'node-2', never))).toBe(code);
  });

  it.each(['nonsense', 'ftp://127.0.0.1', ''])('calls the target %j unreachable', async (leaderApiAddress) => {
    expect(await codeOf(() => client.challenge({ leaderApiAddress }, 'node-2', never))).toBe('unreachable');
  });
});
