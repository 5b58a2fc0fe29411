import { Secret } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { Request } from '@coffer/sdk';
import type { Acl, TokenEntry } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';
import { ManualClock, TestStore, askPaths, outcomeOf } from '@coffer/testing';
import { plainTokens } from './plain-tokens.fixture.ts';
import { WrappingService } from './wrapping-service.ts';
import { wrappingPaths } from './wrapping.path.ts';

/** Tokens under their own texts; `allowed` says what the rules of callers grant. */
function world() {
  const store = new TestStore();
  const transactor = store.transactor();
  const state = { allowed: true, usesLeft: true, boundCidrs: [] as readonly string[] };
  const spent: string[] = [];
  const tokens = {
    ...plainTokens(),
    lookup: (token: Secret<string>) =>
      token.reveal() === 'caller' ? ({ saltedId: 'caller', boundCidrs: state.boundCidrs } as TokenEntry) : undefined,
    spendUse: (_: Transaction, entry: TokenEntry) => {
      spent.push(entry.saltedId);
      return { allowed: state.usesLeft, last: false };
    },
  };
  const service = new WrappingService({ tokens: () => tokens, clock: new ManualClock() });
  const { ask } = askPaths(
    wrappingPaths({
      wrapping: () => service,
      tokens: () => tokens,
      policies: () => ({ aclFor: () => ({ decide: () => ({ allowed: state.allowed }) }) as unknown as Acl }),
    }),
    transactor,
  );
  const as = (token: string | undefined, path: string, data: Record<string, unknown> = {}): { request: Request } => ({
    request: {
      operation: 'update',
      path: `sys/${path}`,
      namespace: ROOT_NAMESPACE,
      data,
      connection: { remoteAddress: '10.0.0.1', remotePort: 1 },
      ...(token === undefined ? {} : { token: new Secret(token) }),
    } as unknown as Request,
  });
  /** One request to `wrapping/…` by the holder of a token. */
  const by = (token: string | undefined, path: string, data: Record<string, unknown> = {}) =>
    ask('update', `wrapping/${path}`, data, as(token, `wrapping/${path}`, data));
  const wrap = async (): Promise<string> => {
    const request = { operation: 'read', path: 'secret/app', namespace: ROOT_NAMESPACE } as unknown as Request;
    return (await transactor.run((tx) => service.wrap(tx, { data: { k: 'v' } }, request, 60, undefined))).token;
  };
  return { by, wrap, state, spent, ask, as };
}

describe('sys/wrapping/unwrap', () => {
  it('serves the wrapping token itself, once', async () => {
    const { by, wrap, spent } = world();
    const token = await wrap();
    expect(await by(token, 'unwrap')).toMatchObject({ data: { k: 'v' } });
    expect(await outcomeOf(by(token, 'unwrap'))).toEqual([400, 'wrapping token is not valid or does not exist']);
    const named = await wrap();
    expect(await by(named, 'unwrap', { token: named })).toMatchObject({ data: { k: 'v' } });
    expect(spent).toEqual([]);
  });

  it('serves a caller whose rules grant it, at the cost of a use', async () => {
    const { by, wrap, spent } = world();
    expect(await by('caller', 'unwrap', { token: await wrap() })).toMatchObject({ data: { k: 'v' } });
    expect(spent).toEqual(['caller']);
  });

  it('leaves the answer where it is for whoever may not have it', async () => {
    const { by, wrap, state } = world();
    const token = await wrap();
    const refused = [403, 'permission denied'];
    expect(await outcomeOf(by(undefined, 'unwrap'))).toEqual([403, 'error validating wrapping token: token is empty']);
    expect(await outcomeOf(by(undefined, 'unwrap', { token }))).toEqual(refused);
    expect(await outcomeOf(by('stranger', 'unwrap', { token }))).toEqual(refused);
    state.allowed = false;
    expect(await outcomeOf(by('caller', 'unwrap', { token }))).toEqual(refused);
    state.allowed = true;
    state.usesLeft = false;
    expect(await outcomeOf(by('caller', 'unwrap', { token }))).toEqual(refused);
    state.usesLeft = true;
    state.boundCidrs = ['192.168.0.0/16'];
    expect(await outcomeOf(by('caller', 'unwrap', { token }))).toEqual(refused);
    // What an empty variable of a script sent is not the caller's own token.
    expect(await outcomeOf(by(token, 'unwrap', { token: '' }))).toEqual([
      403,
      'error validating wrapping token: empty token in request body',
    ]);
    state.boundCidrs = ['10.0.0.0/8'];
    expect(await by('caller', 'unwrap', { token })).toMatchObject({ data: { k: 'v' } });
  });

  it.each(['unwrap', 'rewrap'])('tells anybody that a token is not good (%s)', async (path) => {
    const { by, wrap } = world();
    const spent = await wrap();
    await by(spent, 'unwrap');
    const invalid = [400, 'wrapping token is not valid or does not exist'];
    expect(await outcomeOf(by(undefined, path, { token: spent }))).toEqual(invalid);
    expect(await outcomeOf(by('stranger', path, { token: 's.none' }))).toEqual(invalid);
  });
});

describe('sys/wrapping/rewrap and lookup', () => {
  it('replaces the token', async () => {
    const { by, wrap } = world();
    const token = await wrap();
    // A wrapping token may be unwrapped, and no more, by whoever has nothing else.
    expect(await outcomeOf(by(token, 'rewrap'))).toEqual([403, 'permission denied']);
    expect(await outcomeOf(by('caller', 'rewrap'))).toMatchObject([400, expect.stringContaining('not valid')]);
    const next = (await by('caller', 'rewrap', { token }))?.wrapInfo?.token ?? '';
    expect(next).not.toBe(token);
    expect(await outcomeOf(by(token, 'unwrap'))).toEqual([400, 'wrapping token is not valid or does not exist']);
    expect(await by(next, 'unwrap')).toMatchObject({ data: { k: 'v' } });
  });

  it('tells where and when, to anybody who has the token, and keeps it good', async () => {
    const { by, wrap, ask, as } = world();
    const token = await wrap();
    const told = { creation_path: 'secret/app', creation_time: '2023-11-14T22:13:20.000Z', creation_ttl: 60 };
    expect((await by(undefined, 'lookup', { token }))?.data).toEqual(told);
    expect((await ask('read', 'wrapping/lookup', {}, as(token, 'wrapping/lookup')))?.data).toEqual(told);
    expect(await outcomeOf(by(undefined, 'lookup'))).toEqual([400, 'missing "token" value in input']);
    expect(await outcomeOf(by(undefined, 'lookup', { token: 'none' }))).toEqual([
      400,
      'wrapping token is not valid or does not exist',
    ]);
    expect(await by(token, 'unwrap')).toMatchObject({ data: { k: 'v' } });
  });
});

describe('sys/wrapping/wrap', () => {
  it('answers what was sent, and only to be wrapped', async () => {
    const { ask, as } = world();
    const data = { any: 'thing' };
    const { request } = as('caller', 'wrapping/wrap', data);
    expect(await outcomeOf(ask('update', 'wrapping/wrap', data, { request }))).toEqual([
      400,
      'endpoint requires response wrapping to be used',
    ]);
    const wrapped = { request: { ...request, wrapTtlSeconds: 60 } };
    expect(await ask('update', 'wrapping/wrap', data, wrapped)).toEqual({ data: { any: 'thing' } });
  });
});
