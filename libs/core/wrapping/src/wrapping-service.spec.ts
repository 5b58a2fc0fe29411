import { Secret } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { Request } from '@coffer/sdk';
import type { NewToken } from '@coffer/core-api';
import { ManualClock, TestStore } from '@coffer/testing';
import { plainTokens } from './plain-tokens.fixture.ts';
import { WrappingService } from './wrapping-service.ts';

const request = { operation: 'read', path: 'secret/app', namespace: ROOT_NAMESPACE } as unknown as Request;
/** Tokens under their own texts. */
function world() {
  const store = new TestStore();
  const clock = new ManualClock();
  const tokens = plainTokens();
  const transactor = store.transactor();
  const service = new WrappingService({ tokens: () => tokens, clock });
  const wrap = (data: Record<string, unknown>) =>
    transactor.run((tx) => service.wrap(tx, { data }, request, 60, undefined));
  const unwrap = (token: string) => transactor.run((tx) => service.unwrap(tx, new Secret(token)));
  return { store, tokens, transactor, service, wrap, unwrap };
}

describe('wrapping', () => {
  it('gives an answer out once', async () => {
    const { wrap, unwrap, store } = world();
    const { token, creationPath, ttlSeconds } = await wrap({ k: 'v' });
    expect({ creationPath, ttlSeconds }).toEqual({ creationPath: 'secret/app', ttlSeconds: 60 });
    expect(await unwrap(token)).toEqual({ data: { k: 'v' } });
    await expect(unwrap(token)).rejects.toThrow('wrapping token is not valid or does not exist');
    expect(store.keys({ from: '', to: '~' })).toEqual([]);
  });

  it('gives it to one of many who ask at the same time', async () => {
    const { wrap, unwrap } = world();
    const { token } = await wrap({ k: 'v' });
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => unwrap(token)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('makes a token that is good for nothing else', async () => {
    const { wrap, tokens, transactor } = world();
    const { token } = await wrap({ k: 'v' });
    const entry = await transactor.run((tx) => tokens.inTransaction(tx, token));
    expect(entry).toMatchObject({ policies: ['response-wrapping'], numUses: 1, wrapping: true, renewable: false });
  });

  it('keeps numbers that JavaScript cannot hold', async () => {
    const { wrap, unwrap } = world();
    const big = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('12345678901234567890');
    const { token } = await wrap({ big });
    expect(JSON.stringify(await unwrap(token))).toBe('{"data":{"big":12345678901234567890}}');
  });

  it('moves an answer to a new token', async () => {
    const { wrap, unwrap, transactor, service } = world();
    const { token } = await wrap({ k: 'v' });
    const moved = await transactor.run((tx) => service.rewrap(tx, new Secret(token), request));
    expect(moved).toMatchObject({ creationPath: 'secret/app', ttlSeconds: 60 });
    await expect(unwrap(token)).rejects.toThrow('wrapping token is not valid');
    expect(await unwrap(moved.token)).toEqual({ data: { k: 'v' } });
  });

  it('describes without spending', async () => {
    const { wrap, unwrap, transactor, service } = world();
    const { token } = await wrap({ k: 'v' });
    for (let n = 0; n < 2; n++) {
      const told = await transactor.run((tx) => service.describe(tx, new Secret(token)));
      expect(told).toMatchObject({ creationPath: 'secret/app', ttlSeconds: 60 });
    }
    await expect(unwrap(token)).resolves.toBeDefined();
  });

  it.each(['', 'root', 'hvs.99'])('refuses %j', async (text) => {
    await expect(world().unwrap(text)).rejects.toThrow('wrapping token is not valid or does not exist');
  });

  it('refuses a token that wraps nothing', async () => {
    const { tokens, transactor, unwrap } = world();
    const { token } = await transactor.run((tx) => tokens.create(tx, { numUses: 1 } as unknown as NewToken));
    await expect(unwrap(token.reveal())).rejects.toThrow('wrapping token is not valid');
  });
});
