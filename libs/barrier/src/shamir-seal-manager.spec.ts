import { Secret, systemRandom } from '@coffer/kernel';
import { generateKey, readMessage, decrypt } from 'openpgp';
import type { InitResult, SealKey } from './barrier.ts';
import { combine } from './shamir/shamir.ts';
import { WatchedBackend, makeNode, put, read } from './world.fixture.ts';

const fromHex = (share: string | undefined): Secret<Uint8Array> =>
  new Secret(new Uint8Array(Buffer.from(share ?? '', 'hex')));

type Node = ReturnType<typeof makeNode>;

let backend: WatchedBackend;
let node: Node;

beforeEach(() => {
  backend = new WatchedBackend();
  node = makeNode(backend);
});

async function unsealWith({ seal }: Node, { keys }: InitResult, ...which: readonly number[]): Promise<void> {
  for (const index of which) await seal.unseal(fromHex(keys[index]));
}

const request = (secretShares: number, secretThreshold: number): { secretShares: number; secretThreshold: number } => ({
  secretShares,
  secretThreshold,
});

describe('initialisation', () => {
  it('makes shares of which enough unseal, and leaves the node sealed', async () => {
    expect(await node.seal.status()).toMatchObject({ initialized: false, sealed: true, threshold: 0, shares: 0 });
    const result = await node.seal.initialize(request(5, 3));
    expect(result.keys).toHaveLength(5);
    expect(result.keysBase64.map((key) => Buffer.from(key, 'base64').toString('hex'))).toEqual(result.keys);
    expect(await node.seal.status()).toMatchObject({ initialized: true, sealed: true, threshold: 3, shares: 5 });
    await unsealWith(node, result, 4, 0);
    expect(node.barrier.sealed).toBe(true);
    await unsealWith(node, result, 2);
    expect(await node.seal.status()).toMatchObject({ sealed: false, progress: 0, nonce: '' });
  });

  it('with one share hands out the key itself', async () => {
    const result = await node.seal.initialize(request(1, 1));
    expect(Buffer.from(result.keys[0] ?? '', 'hex')).toHaveLength(32);
    await unsealWith(node, result, 0);
    expect(node.barrier.sealed).toBe(false);
  });

  it('writes everything in one batch', async () => {
    await node.seal.initialize(request(3, 2));
    expect(backend.appliedIndex()).toBe(1);
  });

  it('happens once, even if asked for twice at the same time', async () => {
    const both = await Promise.allSettled([node.seal.initialize(request(1, 1)), node.seal.initialize(request(1, 1))]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(backend.appliedIndex()).toBe(1);
    await expect(node.seal.initialize(request(1, 1))).rejects.toMatchObject({ code: 'initialized' });
    const [done] = both.filter((outcome) => outcome.status === 'fulfilled');
    await unsealWith(node, (done as PromiseFulfilledResult<InitResult>).value, 0);
    expect(node.barrier.sealed).toBe(false);
  });

  // The order in which Vault looks decides which of two mistakes a client is told.
  it.each([
    [0, 0, 'shares must be at least one'],
    [-1, 1, 'shares must be at least one'],
    [1.5, 1, 'shares must be at least one'],
    [1, 0, 'threshold must be at least one'],
    [5, 1, 'threshold must be greater than one for multiple shares'],
    [256, 3, 'shares must be less than 256'],
    [5, 256, 'threshold must be less than 256'],
    [2, 3, 'threshold cannot be larger than shares'],
  ])('refuses %d shares of which %d are needed', async (shares, threshold, message) => {
    await expect(node.seal.initialize(request(shares, threshold))).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining(message) as string,
    });
    expect(() => node.seal.check(request(shares, threshold))).toThrow(message);
    expect(backend.appliedIndex()).toBe(0);
  });

  it('refuses keys of holders that cannot be used before anything is written', async () => {
    const bad = [
      { ...request(2, 2), pgpKeys: ['x'] },
      { ...request(2, 2), pgpKeys: ['x', 'y'] },
      { ...request(1, 1), rootTokenPgpKey: 'x' },
    ];
    for (const asked of bad) {
      await expect(node.seal.initialize(asked)).rejects.toMatchObject({ code: 'invalid-config' });
    }
    expect(backend.appliedIndex()).toBe(0);
  });

  it('encrypts each share for its holder', async () => {
    const people = await Promise.all(
      [1, 2].map(() => generateKey({ type: 'ecc', userIDs: [{ name: 'Holder' }], format: 'object' })),
    );
    const pgpKeys = people.map(({ publicKey }) => Buffer.from(publicKey.write()).toString('base64'));
    const result = await node.seal.initialize({ ...request(2, 2), pgpKeys });
    for (const [index, { privateKey }] of people.entries()) {
      const message = await readMessage({ binaryMessage: Buffer.from(result.keys[index] ?? '', 'hex') });
      await node.seal.unseal(fromHex(String((await decrypt({ message, decryptionKeys: privateKey })).data)));
    }
    expect(node.barrier.sealed).toBe(false);
  });

  it('lets neither shares nor keys through to the store', async () => {
    const { keys } = await node.seal.initializeUnsealed(request(3, 2));
    const sealKey = combine(keys.map((key) => fromHex(key).reveal()));
    for (const key of backend.keys({ from: '', to: '\u{10ffff}' })) {
      const value = Buffer.from(backend.get(key) ?? new Uint8Array());
      for (const secret of [...keys.map((share) => fromHex(share).reveal()), sealKey]) {
        expect(value.includes(Buffer.from(secret).subarray(0, 16))).toBe(false);
      }
    }
  });
});

describe('unsealing', () => {
  it('counts shares under a nonce, a share twice as one, until it is reset', async () => {
    const { keys } = await node.seal.initialize(request(3, 3));
    const first = await node.seal.unseal(fromHex(keys[0]));
    expect(first).toMatchObject({ progress: 1, sealed: true });
    expect(first.nonce).toMatch(/^[0-9a-f-]{36}$/);
    expect(await node.seal.unseal(fromHex(keys[0]))).toMatchObject({ progress: 1, nonce: first.nonce });
    expect(await node.seal.unseal(fromHex(keys[1]))).toMatchObject({ progress: 2, nonce: first.nonce });
    node.seal.resetUnseal();
    expect(await node.seal.status()).toMatchObject({ progress: 0, nonce: '' });
    const again = await node.seal.unseal(fromHex(keys[2]));
    expect(again.progress).toBe(1);
    expect(again.nonce).not.toBe(first.nonce);
  });

  it('drops all shares when they do not fit, and can be tried again', async () => {
    const { keys } = await node.seal.initialize(request(3, 2));
    await node.seal.unseal(fromHex(keys[0]));
    await expect(node.seal.unseal(new Secret(systemRandom.bytes(33)))).rejects.toMatchObject({ code: 'wrong-key' });
    expect(await node.seal.status()).toMatchObject({ progress: 0, sealed: true });
    await node.seal.unseal(fromHex(keys[0]));
    expect(await node.seal.unseal(fromHex(keys[2]))).toMatchObject({ sealed: false });
  });

  it('refuses what cannot be a share, keeping the others', async () => {
    const { keys } = await node.seal.initialize(request(3, 2));
    await node.seal.unseal(fromHex(keys[0]));
    for (const length of [0, 1, 32, 34]) {
      await expect(node.seal.unseal(new Secret(new Uint8Array(length)))).rejects.toMatchObject({
        code: 'invalid-share',
      });
    }
    expect(await node.seal.status()).toMatchObject({ progress: 1 });
  });

  it('refuses another share of the same x, and starts over', async () => {
    const { keys } = await node.seal.initialize(request(3, 2));
    const forged = fromHex(keys[0]).reveal();
    forged[0] = (forged[0] ?? 0) ^ 1;
    await node.seal.unseal(fromHex(keys[0]));
    await expect(node.seal.unseal(new Secret(forged))).rejects.toMatchObject({ code: 'invalid-share' });
    expect(await node.seal.status()).toMatchObject({ progress: 0 });
  });

  it('needs initialisation, and changes nothing once done', async () => {
    await expect(node.seal.unseal(new Secret(new Uint8Array(33)))).rejects.toMatchObject({ code: 'not-initialized' });
    const result = await node.seal.initialize(request(1, 1));
    await unsealWith(node, result, 0);
    expect(await node.seal.unseal(new Secret(new Uint8Array(5)))).toMatchObject({ sealed: false, progress: 0 });
  });

  it('says so when the stored root key was damaged, which is not a wrong share', async () => {
    const { keys } = await node.seal.initialize(request(1, 1));
    await backend.tamper([{ kind: 'put', key: 'core/seal/root-key', value: new Uint8Array(5) }]);
    await expect(node.seal.unseal(fromHex(keys[0]))).rejects.toMatchObject({ code: 'corrupt' });
    await backend.tamper([{ kind: 'delete', key: 'core/seal/root-key' }]);
    await expect(node.seal.unseal(fromHex(keys[0]))).rejects.toMatchObject({ code: 'corrupt' });
    await backend.tamper([{ kind: 'put', key: 'core/seal-config', value: new Uint8Array([123]) }]);
    await expect(Promise.resolve().then(() => node.seal.status())).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('can be undone by sealing, which forgets the key', async () => {
    const result = await node.seal.initializeUnsealed(request(1, 1));
    await put(node.barrier, 'logical/a', 'x');
    expect(node.seal.sealKey()).toBeDefined();
    node.seal.seal();
    expect(node.seal.sealKey()).toBeUndefined();
    expect(node.barrier.sealed).toBe(true);
    await unsealWith(node, result, 0);
    expect(await read(node.barrier, 'logical/a')).toBe('x');
  });
});

describe('the key of the seal, for what is under way with it', () => {
  const zeros = new Uint8Array(32);

  it('is gone with the sealing: nothing is sealed with what is left of it', async () => {
    const result = await node.seal.initializeUnsealed(request(1, 1));
    const held = [node.seal.sealKey(), node.seal.snapshotKey()] as SealKey[];
    const sealed = held.map((key) => key.encrypt(Buffer.from('sums')));
    node.seal.seal();
    for (const [at, key] of held.entries()) {
      expect(() => key.encrypt(zeros)).toThrow(expect.objectContaining({ name: 'BarrierError', code: 'sealed' }));
      expect(() => key.decrypt(sealed[at] as Uint8Array)).toThrow(expect.objectContaining({ code: 'sealed' }));
    }
    await unsealWith(node, result, 0);
    expect(() => held[0]?.encrypt(zeros)).toThrow(expect.objectContaining({ code: 'sealed' }));
  });

  it('stays when the store tells it again, and is gone when there is another', async () => {
    await node.seal.initializeUnsealed(request(1, 1));
    const held = node.seal.snapshotKey() as SealKey;
    const sealed = held.encrypt(Buffer.from('sums'));
    await backend.replace([]);
    expect(Buffer.from(held.decrypt(sealed)).toString()).toBe('sums');
    expect(Buffer.from(node.seal.snapshotKey()?.decrypt(held.encrypt(zeros)) ?? []).equals(zeros)).toBe(true);
    await node.seal.reshare(1, 1, undefined);
    expect(() => held.encrypt(zeros)).toThrow(expect.objectContaining({ code: 'sealed' }));
  });
});

describe('new shares', () => {
  it('replace the old ones and the root key, in one batch, with the node and its standbys unsealed', async () => {
    const old = await node.seal.initializeUnsealed(request(3, 2));
    const standby = makeNode(backend);
    await unsealWith(standby, old, 0, 1);
    await put(node.barrier, 'logical/a', 'x');
    const rootKeyBefore = Buffer.from(backend.get('core/keyring') ?? new Uint8Array()).toString('hex');
    const before = backend.appliedIndex();
    const fresh = await node.seal.reshare(4, 3, undefined);
    expect(backend.appliedIndex()).toBe(before + 1);
    expect(Buffer.from(backend.get('core/keyring') ?? new Uint8Array()).toString('hex')).not.toBe(rootKeyBefore);
    expect(await node.seal.status()).toMatchObject({ threshold: 3, shares: 4, sealed: false });
    await put(node.barrier, 'logical/a', 'y');
    expect(await read(standby.barrier, 'logical/a')).toBe('y');
    // The standby, once active, lets others in that bring the new key.
    const sealed = node.seal.sealKey()?.encrypt(Buffer.from('challenge')) ?? new Uint8Array();
    expect(Buffer.from(standby.seal.sealKey()?.decrypt(sealed) ?? []).toString()).toBe('challenge');
    await standby.barrier.rotate();
    for (const each of [node, standby]) {
      each.seal.seal();
      await expect(unsealWith(each, old, 0, 1, 2)).rejects.toMatchObject({ code: 'wrong-key' });
      await unsealWith(each, fresh, 3, 1, 0);
      expect(await read(each.barrier, 'logical/a')).toBe('y');
    }
  });

  it('do not count before they are committed, and can be proved before', async () => {
    const old = await node.seal.initializeUnsealed(request(1, 1));
    const prepared = await node.seal.prepareReshare(3, 2, undefined);
    const [first, second] = prepared.result.keys.map((key) => fromHex(key).reveal());
    const key = new Secret(combine([first ?? new Uint8Array(), second ?? new Uint8Array()]));
    expect(prepared.fits(key)).toBe(true);
    expect(prepared.fits(new Secret(systemRandom.bytes(32)))).toBe(false);
    expect(prepared.fits(new Secret(new Uint8Array(0)))).toBe(false);
    expect(await node.seal.verifyKey(key)).toBe(false);
    node.seal.seal();
    await unsealWith(node, old, 0);
    await prepared.commit();
    expect(await node.seal.verifyKey(key)).toBe(true);
    expect(await node.seal.verifyKey(fromHex(old.keys[0]))).toBe(false);
    const sealed = node.seal.sealKey()?.encrypt(Buffer.from('challenge')) ?? new Uint8Array();
    prepared.discard();
    expect(Buffer.from(node.seal.sealKey()?.decrypt(sealed) ?? []).toString()).toBe('challenge');
  });

  it('never count once they were discarded', async () => {
    const old = await node.seal.initializeUnsealed(request(1, 1));
    const prepared = await node.seal.prepareReshare(1, 1, undefined);
    const key = fromHex(prepared.result.keys[0]);
    prepared.discard();
    expect(prepared.fits(key)).toBe(false);
    node.seal.seal();
    await expect(unsealWith(node, prepared.result, 0)).rejects.toMatchObject({ code: 'wrong-key' });
    await unsealWith(node, old, 0);
  });

  it('leave the old ones in force when they cannot be written', async () => {
    const old = await node.seal.initializeUnsealed(request(1, 1));
    const standby = makeNode(backend, { ha: { state: () => ({ role: 'standby' }) } });
    await unsealWith(standby, old, 0);
    await expect(standby.seal.reshare(1, 1, undefined)).rejects.toMatchObject({ code: 'not-active' });
    expect(await standby.seal.verifyKey(fromHex(old.keys[0]))).toBe(true);
  });

  it('follow the rules of initialisation', async () => {
    await node.seal.initializeUnsealed(request(1, 1));
    await expect(node.seal.reshare(2, 3, undefined)).rejects.toMatchObject({ code: 'invalid-config' });
    await expect(node.seal.reshare(2, 2, ['x'])).rejects.toMatchObject({ code: 'invalid-config' });
  });
});

describe('joining', () => {
  it('collects shares for the cluster, joins with its key, and unseals from what arrived', async () => {
    const made = await node.seal.initializeUnsealed(request(3, 2));
    await put(node.barrier, 'logical/a', 'x');
    const empty = new WatchedBackend();
    const joiner = makeNode(empty);
    const challenge = node.seal.sealKey()?.encrypt(Buffer.from('challenge')) ?? new Uint8Array();
    let answer = '';
    joiner.seal.expectJoin((await node.seal.sealConfig()) ?? new Uint8Array(), async (key: SealKey) => {
      answer = Buffer.from(key.decrypt(challenge)).toString();
      const keys = backend.keys({ from: '', to: '\u{10ffff}' });
      await empty.tamper(
        keys.map((name) => ({ kind: 'put', key: name, value: backend.get(name) ?? new Uint8Array() })),
      );
    });
    expect(await joiner.seal.status()).toMatchObject({ initialized: true, sealed: true, threshold: 2, shares: 3 });
    await unsealWith(joiner, made, 2, 1);
    expect(answer).toBe('challenge');
    expect(await read(joiner.barrier, 'logical/a')).toBe('x');
  });

  it('that fails drops the shares, tells why, and can be tried again', async () => {
    const made = await node.seal.initializeUnsealed(request(2, 2));
    const joiner = makeNode(new WatchedBackend());
    let attempts = 0;
    joiner.seal.expectJoin((await node.seal.sealConfig()) ?? new Uint8Array(), () => {
      attempts++;
      return Promise.reject(new Error('the leader is gone'));
    });
    for (let attempt = 1; attempt <= 2; attempt++) {
      await expect(unsealWith(joiner, made, 0, 1)).rejects.toThrow('the leader is gone');
      expect(await joiner.seal.status()).toMatchObject({ sealed: true, progress: 0 });
    }
    expect(attempts).toBe(2);
  });

  it('expects a seal configuration that makes sense', () => {
    expect(() => node.seal.expectJoin(new Uint8Array([1]), () => Promise.resolve())).toThrow('seal configuration');
  });

  it('with a key for another purpose or of another cluster does not work', async () => {
    await node.seal.initializeUnsealed(request(1, 1));
    const other = makeNode(new WatchedBackend());
    await other.seal.initializeUnsealed(request(1, 1));
    const sealed = node.seal.sealKey()?.encrypt(Buffer.from('challenge')) ?? new Uint8Array();
    expect(() => other.seal.sealKey()?.decrypt(sealed)).toThrow(
      expect.objectContaining({ code: 'wrong-key' }) as Error,
    );
    const rootKey = backend.get('core/seal/root-key') ?? new Uint8Array();
    expect(() => node.seal.sealKey()?.decrypt(rootKey)).toThrow(
      expect.objectContaining({ code: 'wrong-key' }) as Error,
    );
  });
});
