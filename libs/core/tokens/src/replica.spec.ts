import { Secret, isPromise, silentLog, systemRandom } from '@coffer/kernel';
import { AesGcmBarrier } from '@coffer/barrier';
import { InmemBackend } from '@coffer/storage';
import { ManualClock } from '@coffer/testing';
import { ACTIVE, worldOn } from './world.fixture.ts';

/** Two nodes with a cache each over one store. */
async function nodes() {
  const backend = new InmemBackend();
  const clock = new ManualClock();
  const rootKey = new Secret(new Uint8Array(32).fill(7));
  const barrier = (): AesGcmBarrier =>
    new AesGcmBarrier({ backend, ha: ACTIVE, clock, random: systemRandom, log: silentLog, cacheBytesMax: 1_000_000 });
  const [first, second] = [barrier(), barrier()];
  await first.initialize(rootKey);
  await first.unseal(rootKey);
  await second.unseal(rootKey);
  return { backend, clock, active: worldOn(first, clock), replica: worldOn(second, clock) };
}

describe('a token on a replica that has it cached', () => {
  it('is gone as soon as its revocation is applied', async () => {
    const { active, replica } = await nodes();
    const { token, entry } = await active.create();
    expect(await replica.tokens.lookup(token)).toEqual(entry);
    await active.tokens.revokeTree(entry.saltedId);
    expect(await replica.tokens.lookup(token)).toBeUndefined();
    expect(await replica.tokens.byAccessor(entry.accessor)).toBeUndefined();
  });

  it('is as the active node renewed it', async () => {
    const { active, replica } = await nodes();
    const { token, entry } = await active.create({ ttlSeconds: 60 });
    await replica.tokens.lookup(token);
    await active.transactor.run((tx) => active.tokens.extend(tx, entry, 3600));
    expect(await replica.tokens.lookup(token)).toMatchObject({ expiresMs: active.clock.nowMs() + 3_600_000 });
  });

  it('is answered at once, the second time', async () => {
    const { active, replica } = await nodes();
    const { token } = await active.create();
    await replica.tokens.lookup(token);
    expect(isPromise(replica.tokens.lookup(token))).toBe(false);
  });

  it('is good there without a word if it is a batch token', async () => {
    const { active, replica } = await nodes();
    const { token, entry } = await active.create({ type: 'batch' });
    expect(await replica.tokens.lookup(token)).toEqual(entry);
  });

  it('is not in what the store sees', async () => {
    const { active, backend } = await nodes();
    const { token, entry } = await active.create({ displayName: 'find-me' });
    for (const key of backend.keys({ from: '', to: '~' })) {
      expect(key).not.toContain(entry.accessor);
      const value = Buffer.from(backend.get(key) ?? []).toString('latin1');
      for (const text of [token.reveal(), entry.accessor, 'find-me']) expect(value).not.toContain(text);
    }
  });
});
