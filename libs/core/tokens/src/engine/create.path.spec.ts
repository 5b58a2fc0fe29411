import { Secret, silentLog } from '@coffer/kernel';
import { PathTable, coerceFields, inCidrs } from '@coffer/sdk';
import type { Operation, Response } from '@coffer/sdk';
import { MountView } from '@coffer/core-api';
import type { Acl, CoreRequestContext, LiveMount, TokenEntry } from '@coffer/core-api';
import { createTokenEngine } from './token-engine.ts';
import { world } from '../world.fixture.ts';

interface Answer {
  readonly response: Response | undefined;
  readonly warnings: readonly string[];
}

/** Asks the engine as the pipeline does. */
function engineWorld() {
  const w = world();
  const engine = createTokenEngine({
    tokens: () => w.tokens,
    policies: () => ({ get: (namespace, name) => (name === 'missing' ? undefined : ({ namespace, name } as never)) }),
    identity: () => w.identity,
    router: () => w.router,
    log: silentLog,
  });
  const table = new PathTable(engine.paths);
  const mount = w.mounts[0] as LiveMount;
  const ask = (
    caller: { readonly token: Secret<string>; readonly entry: TokenEntry },
    operation: Operation,
    path: string,
    data: Record<string, unknown> = {},
    sudo = caller.entry.policies.includes('root'),
  ): Promise<Answer> => {
    const match = table.match(path);
    const declared = match?.path.operations[operation];
    if (!match || !declared) throw new Error(`no such path: ${operation} ${path}`);
    const { values, warnings } = coerceFields(match.path.fields, match.captures, data, false);
    return w.transactor.run(async (transaction) => {
      const said = [...warnings];
      const context: CoreRequestContext = {
        request: {
          id: '1',
          operation,
          namespace: caller.entry.namespace,
          path: `auth/token/${path}`,
          data,
          token: caller.token,
          headers: {},
          connection: { remoteAddress: '127.0.0.1', remotePort: 1 },
          deadlineMs: 0,
          signal: new AbortController().signal,
          noForwarding: false,
          allowStale: false,
        },
        operation,
        view: new MountView(transaction, mount.storagePrefix),
        relativePath: path,
        nowMs: w.clock.nowMs(),
        warn: (text) => void said.push(text),
        transaction,
        mount,
        token: caller.entry,
        acl: { decide: () => ({ allowed: true, sudo, root: false }) } as unknown as Acl,
      };
      return { response: await declared.handler(null, values as never, context), warnings: said };
    });
  };
  return { ...w, ask };
}

describe('auth/token/create', () => {
  const root = (w: ReturnType<typeof engineWorld>) => w.create({ policies: ['root'], ttlSeconds: 0, renewable: false });

  it('makes a child with the policies of the caller, if none are asked for', async () => {
    const w = engineWorld();
    const { response } = await w.ask(await w.create({ policies: ['app', 'default'] }), 'update', 'create');
    expect(response?.auth).toMatchObject({ policies: ['app', 'default'], orphan: false, ttlSeconds: 2_764_800 });
  });

  it.each([
    [{ ttl: '2h' }, 7200, 0],
    [{ ttl: '1000h' }, 2_764_800, 1],
    [{ ttl: '2h', explicit_max_ttl: '1h' }, 3600, 1],
    [{ period: '24h' }, 86_400, 0],
    [{ period: '24h', ttl: '5m' }, 86_400, 0],
    [{ period: '1000h' }, 2_764_800, 1],
    [{ period: '24h', explicit_max_ttl: '1h' }, 3600, 1],
    [{ explicit_max_ttl: '1h' }, 3600, 1],
    [{ ttl: '0' }, 2_764_800, 0],
    [{ lease: '10m' }, 600, 0],
  ])('gives %j a TTL of %i seconds', async (data, ttlSeconds, warnings) => {
    const w = engineWorld();
    const answer = await w.ask(await root(w), 'update', 'create', { policies: 'default', ...data });
    expect(answer.response?.auth?.ttlSeconds).toBe(ttlSeconds);
    expect(answer.warnings).toHaveLength(warnings);
  });

  it.each(['root', ' root', 'Root ', 'ROOT', 'ro\u0000ot', 'r\u00adoot', '\uff52oot', 'root\u200d'])(
    'gives nobody %j who is not root, sudo or not',
    async (name) => {
      const w = engineWorld();
      const caller = await w.create({ policies: ['app', 'default'] });
      for (const sudo of [false, true])
        await expect(w.ask(caller, 'update', 'create', { policies: [name] }, sudo)).rejects.toThrow();
      await w.ask(await root(w), 'update', 'roles/r', { allowed_policies: [name] });
      await expect(w.ask(caller, 'update', 'create/r', { policies: [name] }, true)).rejects.toThrow();
      await expect(w.ask(caller, 'update', 'create/r', {}, true)).rejects.toThrow();
    },
  );

  it.each([
    [{ policies: ['other'] }, 'child policies must be subset of parent'],
    [{ no_parent: true }, 'root or sudo privileges required to create orphan token'],
    [{ id: 'mine' }, 'root or sudo privileges required to specify token id'],
    [{ period: '1h' }, 'root or sudo privileges required to create periodic token'],
    [{ num_uses: -1 }, 'number of uses cannot be negative'],
    [{ ttl: 'abc' }, 'time: invalid duration "abc"'],
    [{ ttl: '-1h' }, 'ttl must be positive'],
    [{ type: 'other' }, "invalid 'token_type' value"],
    [{ type: 'batch', num_uses: 3 }, 'batch tokens cannot have "num_uses" set'],
    [{ type: 'batch', period: '1h' }, 'batch tokens cannot have "period" set'],
    [{ entity_alias: 'x' }, "'entity_alias' is only allowed in combination with token role"],
    [{ policies: ['response-wrapping'] }, 'child policies must be subset of parent'],
  ])('refuses %j without sudo', async (data, text) => {
    const w = engineWorld();
    await expect(w.ask(await w.create({ policies: ['app'] }), 'update', 'create', data)).rejects.toThrow(text);
  });

  it.each([
    [{ id: 'with.dot' }, "custom token ID cannot have a '.' in the value"],
    [{ id: 's.mine' }, "custom token ID cannot have the 's.' prefix"],
    [{ id: 'hvb.mine' }, "custom token ID cannot have the 'hvb.' prefix"],
    [{ policies: ['root'], type: 'batch' }, 'batch tokens cannot be root tokens'],
    [{ policies: ['response-wrapping'] }, 'cannot assign policy "response-wrapping"'],
  ])('refuses %j even to root', async (data, text) => {
    const w = engineWorld();
    await expect(w.ask(await root(w), 'update', 'create', data)).rejects.toThrow(text);
  });

  it('lets root choose an id, once', async () => {
    const w = engineWorld();
    const caller = await root(w);
    await w.ask(caller, 'update', 'create', { id: 'mine', policies: 'default' });
    await expect(w.ask(caller, 'update', 'create', { id: 'mine' })).rejects.toThrow('duplicate ID');
    expect(await w.tokens.lookup(new Secret('mine'))).toBeDefined();
  });

  it('is closed to tokens with a use limit, of type batch, or revoked', async () => {
    const w = engineWorld();
    await expect(w.ask(await w.create({ numUses: 2 }), 'update', 'create')).rejects.toThrow('restricted use token');
    await expect(w.ask(await w.create({ type: 'batch' }), 'update', 'create')).rejects.toThrow('batch tokens cannot');
    const gone = await w.create();
    await w.tokens.revokeTree(gone.entry.saltedId);
    await expect(w.ask(gone, 'update', 'create')).rejects.toThrow('permission denied');
  });

  it('does not let an expiring root token make one without end', async () => {
    const w = engineWorld();
    const caller = await w.create({ policies: ['root'], ttlSeconds: 60 });
    await expect(w.ask(caller, 'update', 'create')).rejects.toThrow('expiring root tokens cannot create');
  });

  it('warns of policies that do not exist and fields that it does not know', async () => {
    const w = engineWorld();
    const { warnings } = await w.ask(await root(w), 'update', 'create', { policies: ['missing'], nonsense: 1 });
    expect(warnings).toHaveLength(2);
  });

  it('hands bound addresses of the parent on to the child', async () => {
    const w = engineWorld();
    const caller = await w.create({ boundCidrs: ['10.0.0.0/8'] });
    const { response } = await w.ask(caller, 'update', 'create');
    const child = await w.tokens.lookup(new Secret(response?.auth?.clientToken ?? ''));
    expect(child?.boundCidrs).toEqual(['10.0.0.0/8']);
  });

  it('renews within the explicit maximum, periods without end, and shows it', async () => {
    const w = engineWorld();
    const caller = await root(w);
    const made = await w.ask(caller, 'update', 'create', { policies: 'default', ttl: '1h', explicit_max_ttl: '2h' });
    const token = made.response?.auth?.clientToken ?? '';
    await w.clock.advance(1_800_000);
    const renewed = await w.ask(caller, 'update', 'renew', { token, increment: '5h' });
    expect(renewed.response?.auth?.ttlSeconds).toBe(5400);
    expect(renewed.warnings).toHaveLength(1);
    const { response } = await w.ask(caller, 'update', 'lookup', { token });
    expect(response?.data).toMatchObject({ id: token, ttl: 5400, creation_ttl: 3600, explicit_max_ttl: 7200 });
    expect(response?.data?.last_renewal_time).toBe(w.clock.nowMs() / 1000);
    await expect(w.ask(caller, 'update', 'renew-self')).rejects.toThrow('lease is not renewable');
  });

  it('asks the role again at each renewal', async () => {
    const w = engineWorld();
    const caller = await root(w);
    await w.ask(caller, 'update', 'roles/r', { allowed_policies: 'app', token_period: '1h' });
    const made = await w.ask(caller, 'update', 'create/r');
    const token = made.response?.auth?.clientToken ?? '';
    expect(made.response?.auth?.ttlSeconds).toBe(3600);
    await w.ask(caller, 'update', 'roles/r', { token_period: '2h' });
    expect((await w.ask(caller, 'update', 'renew', { token })).response?.auth?.ttlSeconds).toBe(7200);
    await w.ask(caller, 'update', 'roles/r', { token_period: 0, token_explicit_max_ttl: '90m' });
    expect((await w.ask(caller, 'update', 'renew', { token })).response?.auth?.ttlSeconds).toBe(5400);
    await w.ask(caller, 'delete', 'roles/r');
    await expect(w.ask(caller, 'update', 'renew', { token })).rejects.toThrow('could not be found, not renewing');
  });

  it.each(['300.0.0.1', '10.0.0', 'localhost', '::g'])('refuses the address %s', async (block) => {
    const w = engineWorld();
    const asked = w.ask(await root(w), 'update', 'roles/r', { token_bound_cidrs: [block] });
    await expect(asked).rejects.toThrow(block);
  });

  it.each(['10.0.0.0/33', '::1/129', '10.0.0/8', '10.0.0.1/08x'])('lets nobody in by %s', async (block) => {
    const w = engineWorld();
    const caller = await root(w);
    await w.ask(caller, 'update', 'roles/r', { token_bound_cidrs: [block], allowed_policies: 'app' });
    const made = await w.ask(caller, 'update', 'create/r');
    const entry = await w.tokens.lookup(new Secret(made.response?.auth?.clientToken ?? ''));
    expect(entry?.boundCidrs).toEqual([block]);
    for (const address of ['10.0.0.1', '::1', '0.0.0.0']) expect(inCidrs(address, entry?.boundCidrs ?? [])).toBe(false);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ token_type: 'batch', renewable: false }, 'non-orphan tokens'],
    [{ token_type: 'batch', orphan: true }, 'renewable tokens'],
    [{ token_type: 'batch', orphan: true, renewable: false, token_period: '1h' }, 'periodic tokens'],
    [{ token_type: 'batch', orphan: true, renewable: false, explicit_max_ttl: '1h' }, 'explicit max TTL'],
    [{ token_type: 'default' }, `invalid 'token_type' value "default"`],
    [{ token_type: '' }, `invalid 'token_type' value ""`],
  ])('refuses %j', async (role, text) => {
    const w = engineWorld();
    await expect(w.ask(await root(w), 'update', 'roles/r', role)).rejects.toThrow(text);
  });

  it('makes batch tokens where none are asked for otherwise, whatever else it says of tokens', async () => {
    const w = engineWorld();
    const caller = await root(w);
    await w.ask(caller, 'update', 'roles/r', { token_type: 'default-batch', token_period: '1h', token_num_uses: 3 });
    const made = await w.ask(caller, 'update', 'create/r', { policies: ['app'] });
    expect(made.response?.auth).toMatchObject({ tokenType: 'batch', renewable: false });
    const service = await w.ask(caller, 'update', 'create/r', { policies: ['app'], type: 'service' });
    expect(service.response?.auth).toMatchObject({ tokenType: 'service', ttlSeconds: 3600, numUses: 3 });
  });

  it('shows a block of one address as the address', async () => {
    const w = engineWorld();
    const caller = await root(w);
    await w.ask(caller, 'update', 'roles/r', { token_bound_cidrs: '127.0.0.1/32,::1/128,10.0.0.0/8' });
    const { response } = await w.ask(caller, 'read', 'roles/r');
    expect(response?.data?.token_bound_cidrs).toEqual(['127.0.0.1', '::1', '10.0.0.0/8']);
  });
});
