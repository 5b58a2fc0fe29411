import { Secret, silentLog, systemRandom } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import { KEYRING_KEY, KEY_USAGE_KEY, ROOT_KEY_COPY_KEY } from './barrier-keys.ts';
import type { AesGcmBarrier } from './aes-gcm-barrier.ts';
import { ENVELOPE_OVERHEAD_BYTES } from './envelope.ts';
import type { StoredKeys } from './key-holder.ts';
import { USAGE_STEP } from './key-usage.ts';
import { ACTIVE, WatchedBackend, bytes, makeNode, put, read } from './world.fixture.ts';

let backend: WatchedBackend;
let barrier: AesGcmBarrier;
let rootKey: Secret<Uint8Array>;

const sealedError = expect.objectContaining({ name: 'BarrierError', code: 'sealed' }) as unknown;
const corruptError = expect.objectContaining({ name: 'BarrierError', code: 'corrupt' }) as unknown;

/** Throws or rejects, whichever the store's way makes of it. */
const reading = (node: AesGcmBarrier, key: string): Promise<string | undefined> =>
  Promise.resolve().then(() => read(node, key));

beforeEach(async () => {
  backend = new WatchedBackend();
  ({ barrier } = makeNode(backend));
  rootKey = new Secret(systemRandom.bytes(32));
  await barrier.initialize(rootKey);
  await barrier.unseal(rootKey);
});

function stored(): Map<string, Uint8Array> {
  return new Map(
    backend
      .keys({ from: '', to: '\u{10ffff}' })
      .map((key): [string, Uint8Array] => [key, backend.get(key) ?? new Uint8Array()]),
  );
}

describe('the barrier as a store', () => {
  it('gives back what was written, and nothing for what was not', async () => {
    await put(barrier, 'logical/a', 'secret');
    await put(barrier, 'logical/empty', '');
    expect(await read(barrier, 'logical/a')).toBe('secret');
    expect(await read(barrier, 'logical/empty')).toBe('');
    expect(await read(barrier, 'logical/b')).toBeUndefined();
    expect(await barrier.list('logical/')).toEqual(['a', 'empty']);
  });

  it('writes envelopes of the documented form', async () => {
    await put(barrier, 'logical/a', 'secret');
    const envelope = stored().get('logical/a') ?? new Uint8Array();
    expect(envelope.length).toBe(6 + ENVELOPE_OVERHEAD_BYTES);
    expect([...envelope.subarray(0, 5)]).toEqual([0, 0, 0, 1, 2]);
  });

  it('lets no plaintext and no key through to the store', async () => {
    const secrets = Array.from({ length: 50 }, (_, index) => `plaintext-${String(index)}-canary`);
    for (const [index, secret] of secrets.entries()) await put(barrier, `logical/${String(index)}`, secret);
    await barrier.rotate();
    await put(barrier, 'logical/0', 'plaintext-again-canary');
    for (const value of stored().values()) {
      expect(Buffer.from(value).includes('canary')).toBe(false);
      expect(Buffer.from(value).includes(Buffer.from(rootKey.reveal()))).toBe(false);
    }
  });

  it('never uses a nonce twice, not even for the same value at the same place', async () => {
    const nonces = new Set<string>();
    for (let round = 0; round < 1000; round++) {
      await put(barrier, 'logical/a', 'same');
      nonces.add(Buffer.from((backend.get('logical/a') ?? new Uint8Array()).subarray(5, 17)).toString('hex'));
    }
    expect(nonces.size).toBe(1000);
  });

  it('refuses writes to its own keys, which would lock everybody out', async () => {
    for (const key of [KEYRING_KEY, 'core/seal-config', 'core/seal/root-key', KEY_USAGE_KEY]) {
      await expect(put(barrier, key, 'x')).rejects.toMatchObject({ code: 'conflict' });
      await expect(barrier.write({ epoch: 1, ops: [{ kind: 'delete', key }] })).rejects.toMatchObject({
        code: 'conflict',
      });
    }
    barrier.seal();
    await barrier.unseal(rootKey);
  });
});

describe('tampering', () => {
  it('is noticed, whichever bit is flipped', async () => {
    await put(barrier, 'logical/a', 'secret');
    const envelope = stored().get('logical/a') ?? new Uint8Array();
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const changed = new Uint8Array(envelope);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await backend.tamper([{ kind: 'put', key: 'logical/a', value: changed }]);
      await expect(reading(barrier, 'logical/a')).rejects.toEqual(corruptError);
    }
  });

  it('is noticed when a value was moved to another key, cut off or made longer', async () => {
    await put(barrier, 'logical/a', 'secret');
    const envelope = stored().get('logical/a') ?? new Uint8Array();
    await backend.tamper([{ kind: 'put', key: 'logical/b', value: envelope }]);
    await expect(reading(barrier, 'logical/b')).rejects.toEqual(corruptError);
    for (const value of [
      envelope.subarray(0, -1),
      new Uint8Array([...envelope, 0]),
      envelope.subarray(0, 10),
      bytes(''),
    ]) {
      await backend.tamper([{ kind: 'put', key: 'logical/a', value }]);
      await expect(reading(barrier, 'logical/a')).rejects.toEqual(corruptError);
    }
  });
});

describe('sealing', () => {
  it('ends all access', async () => {
    await put(barrier, 'logical/a', 'secret');
    await read(barrier, 'logical/a');
    barrier.seal();
    expect(barrier.sealed).toBe(true);
    await expect(reading(barrier, 'logical/a')).rejects.toEqual(sealedError);
    expect(() => barrier.getParsed('logical/a', String)).toThrow('sealed');
    expect(() => barrier.list('')).toThrow('sealed');
    expect(() => barrier.keys({ from: '', to: 'z' })).toThrow('sealed');
    expect(() => barrier.derive('audit', 32)).toThrow('sealed');
    expect(() => barrier.keyStatus()).toThrow('sealed');
    await expect(put(barrier, 'logical/a', 'x')).rejects.toEqual(sealedError);
    await expect(barrier.rotate()).rejects.toEqual(sealedError);
    await expect(barrier.changeRootKey(rootKey)).rejects.toEqual(sealedError);
  });

  it('also ends reads that were under way', async () => {
    await put(barrier, 'logical/a', 'secret');
    barrier.seal();
    await barrier.unseal(rootKey);
    backend.turns = () => 1;
    const pending = reading(barrier, 'logical/a');
    await Promise.resolve();
    barrier.seal();
    await expect(pending).rejects.toEqual(sealedError);
  });

  it('is opened again by the root key only', async () => {
    await put(barrier, 'logical/a', 'secret');
    barrier.seal();
    await expect(barrier.unseal(new Secret(systemRandom.bytes(32)))).rejects.toMatchObject({ code: 'wrong-key' });
    expect(barrier.sealed).toBe(true);
    await barrier.unseal(rootKey);
    expect(await read(barrier, 'logical/a')).toBe('secret');
  });

  it('is needed before there is anything', async () => {
    const { barrier: empty } = makeNode(new WatchedBackend());
    await expect(empty.unseal(rootKey)).rejects.toMatchObject({ code: 'not-initialized' });
    await expect(barrier.initialize(rootKey)).rejects.toMatchObject({ code: 'initialized' });
  });

  it('stays when a part of what belongs to the keys is missing', async () => {
    barrier.seal();
    await backend.tamper([{ kind: 'delete', key: 'core/derivation-key' }]);
    await expect(barrier.unseal(rootKey)).rejects.toEqual(corruptError);
    expect(barrier.sealed).toBe(true);
  });
});

describe('keys', () => {
  it('rotate: new values under the new one, old values still readable, also after unsealing anew', async () => {
    await put(barrier, 'logical/old', 'one');
    expect(await barrier.rotate()).toMatchObject({ term: 2, encryptions: 0 });
    await put(barrier, 'logical/new', 'two');
    expect(backend.get('logical/new')?.[3]).toBe(2);
    barrier.seal();
    await barrier.unseal(rootKey);
    expect([await read(barrier, 'logical/old'), await read(barrier, 'logical/new')]).toEqual(['one', 'two']);
    expect(barrier.keyStatus().term).toBe(2);
  });

  it('rotate one after the other when asked for at once: no term gets two keys', async () => {
    const rotations = await Promise.all([barrier.rotate(), barrier.rotate(), barrier.rotate()]);
    expect(rotations.map(({ term }) => term)).toEqual([2, 3, 4]);
    await put(barrier, 'logical/a', 'x');
    barrier.seal();
    await barrier.unseal(rootKey);
    expect(await read(barrier, 'logical/a')).toBe('x');
  });

  it('stay as they were when a rotation cannot be stored', async () => {
    const standby = makeNode(backend, { ha: { state: () => ({ role: 'standby' }) } }).barrier;
    await standby.unseal(rootKey);
    await expect(standby.rotate()).rejects.toMatchObject({ code: 'not-active' });
    expect(standby.keyStatus().term).toBe(1);
    const stale = makeNode(backend, { ha: { state: () => ({ ...ACTIVE, epoch: 7 }) } }).barrier;
    await stale.unseal(rootKey);
    await expect(stale.rotate()).rejects.toMatchObject({ code: 'epoch-lost' });
    expect(stale.keyStatus().term).toBe(1);
  });

  it('are followed by the other nodes at once, before a value under them arrives', async () => {
    const { barrier: standby } = makeNode(backend);
    await standby.unseal(rootKey);
    await put(barrier, 'logical/a', 'one');
    expect(await read(standby, 'logical/a')).toBe('one');
    await barrier.rotate();
    await put(barrier, 'logical/a', 'two');
    expect(await read(standby, 'logical/a')).toBe('two');
    expect(standby.keyStatus().term).toBe(2);
  });

  it.each([false, true])(
    'are followed over a store that answers later, too (with what it holds then: %s)',
    async (late) => {
      const { barrier: standby } = makeNode(backend);
      await standby.unseal(rootKey);
      await put(barrier, 'logical/a', 'one');
      backend.readsLate = late;
      backend.turns = (key) => (key === KEYRING_KEY ? 20 : 2);
      const early = read(standby, 'logical/a');
      await barrier.rotate();
      await put(barrier, 'logical/a', 'two');
      expect(await early).toBe(late ? 'two' : 'one');
      expect(await read(standby, 'logical/a')).toBe('two');
      expect(standby.keyStatus().term).toBe(2);
      expect(standby.sealed).toBe(false);
    },
  );

  it('are those of the store at last when they change while a node is unsealed', async () => {
    const { barrier: standby } = makeNode(backend);
    backend.turns = () => 3;
    const unsealing = standby.unseal(rootKey);
    await new Promise((resolve) => setImmediate(resolve));
    await barrier.rotate();
    await put(barrier, 'logical/a', 'x');
    await unsealing;
    expect(standby.keyStatus().term).toBe(2);
    expect(await read(standby, 'logical/a')).toBe('x');
  });

  it('are followed when the root key changes, so that no standby seals itself', async () => {
    const { barrier: standby } = makeNode(backend);
    await standby.unseal(rootKey);
    const next = new Secret(systemRandom.bytes(32));
    await barrier.changeRootKey(next);
    await barrier.rotate();
    await put(barrier, 'logical/a', 'x');
    expect(await read(standby, 'logical/a')).toBe('x');
    await standby.rotate();
    standby.seal();
    await expect(standby.unseal(rootKey)).rejects.toMatchObject({ code: 'wrong-key' });
    await standby.unseal(next);
    expect(standby.keyStatus().term).toBe(3);
  });

  it('that cannot be followed seal the node, which says so', async () => {
    const errors: string[] = [];
    const log: Log = { ...silentLog, error: (message) => errors.push(message) };
    let lost = 0;
    const { barrier: standby } = makeNode(backend, { log, lost: () => (lost += 1) });
    await standby.unseal(rootKey);
    await backend.tamper([{ kind: 'put', key: KEYRING_KEY, value: systemRandom.bytes(100) }]);
    expect(standby.sealed).toBe(true);
    expect(errors).toEqual([expect.stringContaining('seals itself')]);
    expect(lost).toBe(1);
  });

  it('rotate by themselves after enough encryptions', async () => {
    const { barrier: busy } = makeNode(backend, { encryptionsMax: 10 });
    await busy.unseal(rootKey);
    for (let count = 0; count < 9; count++) await put(busy, `logical/${String(count)}`, 'x');
    await new Promise((resolve) => setImmediate(resolve));
    expect(busy.keyStatus().term).toBe(2);
    expect(busy.keyStatus().encryptions).toBeLessThan(10);
  });

  it('count their uses across restarts and nodes, never too few', async () => {
    const { barrier: standby } = makeNode(backend);
    await standby.unseal(rootKey);
    for (let count = 0; count < 20; count++) await put(barrier, 'logical/a', 'x');
    expect(barrier.keyStatus().encryptions).toBeGreaterThanOrEqual(20);
    expect(barrier.keyStatus().encryptions).toBeLessThan(USAGE_STEP);
    expect(standby.keyStatus().encryptions).toBeGreaterThanOrEqual(20);
    barrier.seal();
    await barrier.unseal(rootKey);
    expect(barrier.keyStatus().encryptions).toBeGreaterThanOrEqual(20);
  });

  it('are derived for a purpose, the same after rotation and on every node', async () => {
    const derived = Buffer.from(barrier.derive('audit', 32).reveal());
    expect(Buffer.from(barrier.derive('tokens', 32).reveal()).equals(derived)).toBe(false);
    await barrier.rotate();
    const { barrier: other } = makeNode(backend);
    await other.unseal(rootKey);
    expect(Buffer.from(other.derive('audit', 32).reveal()).equals(derived)).toBe(true);
  });
});

describe('the cache', () => {
  it('answers at once and without the store, until the value changes', async () => {
    await put(barrier, 'logical/a', 'one');
    await read(barrier, 'logical/a');
    const before = backend.reads;
    expect(barrier.get('logical/a')).toEqual(Buffer.from('one'));
    expect(barrier.get('logical/none')).toBeUndefined();
    expect(barrier.get('logical/none')).toBeUndefined();
    expect(backend.reads).toBe(before + 1);
    await put(barrier, 'logical/a', 'two');
    await put(barrier, 'logical/none', 'now');
    expect([await read(barrier, 'logical/a'), await read(barrier, 'logical/none')]).toEqual(['two', 'now']);
  });

  it('holds what was just written, as far as it is still what is stored', async () => {
    await barrier.write({
      epoch: 1,
      ops: [
        { kind: 'put', key: 'logical/a', value: bytes('one') },
        { kind: 'put', key: 'logical/a', value: bytes('two') },
        { kind: 'put', key: 'logical/b', value: bytes('one') },
        { kind: 'delete', key: 'logical/b' },
        { kind: 'put', key: 'logical/c', value: bytes('one') },
      ],
    });
    const before = backend.reads;
    const readAll = async (node: AesGcmBarrier): Promise<(string | undefined)[]> =>
      Promise.all(['logical/a', 'logical/b', 'logical/c'].map((key) => read(node, key)));
    expect(await readAll(barrier)).toEqual(['two', undefined, 'one']);
    expect(backend.reads).toBe(before);
    const { barrier: other } = makeNode(backend);
    await other.unseal(rootKey);
    backend.acknowledgeTurns = 5;
    const slow = put(barrier, 'logical/c', 'slow');
    backend.acknowledgeTurns = 0;
    await put(other, 'logical/c', 'later');
    await slow;
    expect(await readAll(barrier)).toEqual(['two', undefined, 'later']);
  });

  it('holds nothing of a write that failed', async () => {
    const batch = { epoch: 7, ops: [{ kind: 'put', key: 'logical/a', value: bytes('x') } as const] };
    await expect(barrier.write(batch)).rejects.toMatchObject({ code: 'epoch-lost' });
    expect(await read(barrier, 'logical/a')).toBeUndefined();
    await put(barrier, 'logical/a', 'y');
    expect(await read(barrier, 'logical/a')).toBe('y');
  });

  it('is corrected by what other nodes write', async () => {
    const { barrier: standby } = makeNode(backend);
    await standby.unseal(rootKey);
    await put(barrier, 'logical/a', 'one');
    expect(await read(standby, 'logical/a')).toBe('one');
    await put(barrier, 'logical/a', 'two');
    expect(await read(standby, 'logical/a')).toBe('two');
    await barrier.write({ epoch: 1, ops: [{ kind: 'delete', key: 'logical/a' }] });
    expect(await read(standby, 'logical/a')).toBeUndefined();
  });

  it('is emptied when everything is replaced, and the keys are followed', async () => {
    const { barrier: other } = makeNode(backend);
    await other.unseal(rootKey);
    await put(barrier, 'logical/a', 'one');
    expect(await read(other, 'logical/a')).toBe('one');
    const before = stored();
    await barrier.rotate();
    await put(barrier, 'logical/a', 'two');
    expect(await read(other, 'logical/a')).toBe('two');
    await backend.replace([...before].map(([key, value]) => ({ kind: 'put', key, value })));
    expect(await read(other, 'logical/a')).toBe('one');
    expect(other.keyStatus().term).toBe(1);
  });

  it('is not filled by a read that began before the value changed', async () => {
    const { barrier: other } = makeNode(backend);
    await other.unseal(rootKey);
    await put(barrier, 'logical/a', 'one');
    backend.turns = () => 1;
    const early = read(other, 'logical/a');
    await put(barrier, 'logical/a', 'two');
    expect(await early).toBe('one');
    expect(await read(other, 'logical/a')).toBe('two');
  });

  it('keeps what was parsed with the value, and parses anew after a change', async () => {
    let parsed = 0;
    const parse = (value: Uint8Array): { readonly text: string } => {
      parsed++;
      return { text: new TextDecoder().decode(value) };
    };
    await put(barrier, 'logical/a', 'one');
    const first = await barrier.getParsed('logical/a', parse);
    expect(first).toEqual({ text: 'one' });
    expect(await barrier.getParsed('logical/a', parse)).toBe(first);
    expect(await read(barrier, 'logical/a')).toBe('one');
    expect(parsed).toBe(1);
    await put(barrier, 'logical/a', 'two');
    expect(await barrier.getParsed('logical/a', parse)).toEqual({ text: 'two' });
    expect(await barrier.getParsed('logical/none', parse)).toBeUndefined();
  });

  it('is bounded in bytes', async () => {
    const { barrier: small } = makeNode(backend, { cacheBytesMax: 10_000 });
    await small.unseal(rootKey);
    for (let index = 0; index < 100; index++) await put(small, `logical/${String(index)}`, 'x'.repeat(1000));
    for (let index = 0; index < 100; index++) await read(small, `logical/${String(index)}`);
    const before = backend.reads;
    await read(small, 'logical/99');
    expect(backend.reads).toBe(before);
    await read(small, 'logical/0');
    expect(backend.reads).toBe(before + 1);
  });
});

describe('a value for another state of the cluster', () => {
  const keysIn = (state: ReadonlyMap<string, Uint8Array>): StoredKeys => ({
    keyring: state.get(KEYRING_KEY) as Uint8Array,
    rootKeyCopy: state.get(ROOT_KEY_COPY_KEY),
  });
  const putBack = (state: ReadonlyMap<string, Uint8Array>): Promise<void> =>
    backend.replace([...state].map(([key, value]) => ({ kind: 'put', key, value })));

  it('is read there, whatever became of the keys since', async () => {
    const earlier = stored();
    await barrier.rotate();
    await barrier.rotate();
    const next = new Secret(systemRandom.bytes(32));
    await barrier.changeRootKey(next);
    const kept = barrier.sealedFor(keysIn(earlier), 'core/kept', bytes('of now')) as Uint8Array;
    expect(Buffer.from(kept).includes('of now')).toBe(false);
    await putBack(new Map([...earlier, ['core/kept', kept]]));
    expect(await read(barrier, 'core/kept')).toBe('of now');
    await barrier.unseal(rootKey);
    expect(await read(barrier, 'core/kept')).toBe('of now');
  });

  it('is not to be had where that state has other keys, or none', async () => {
    const other = new WatchedBackend();
    await makeNode(other).barrier.initialize(new Secret(systemRandom.bytes(32)));
    const keyring = other.get(KEYRING_KEY) as Uint8Array;
    const rootKeyCopy = other.get(ROOT_KEY_COPY_KEY);
    expect(barrier.sealedFor({ keyring, rootKeyCopy }, 'k', bytes('v'))).toBeUndefined();
    expect(barrier.sealedFor({ keyring, rootKeyCopy: undefined }, 'k', bytes('v'))).toBeUndefined();
    expect(barrier.sealedFor({ keyring: bytes('?'), rootKeyCopy: bytes('?') }, 'k', bytes('v'))).toBeUndefined();
    await put(barrier, 'k', 'v');
    expect(await read(barrier, 'k')).toBe('v');
  });
});
