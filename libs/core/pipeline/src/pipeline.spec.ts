import { Secret, silentLog } from '@coffer/kernel';
import { BarrierError } from '@coffer/barrier';
import { ROOT_NAMESPACE, RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { EngineType, PathDeclaration, Request, Response } from '@coffer/sdk';
import type { Acl, AuditEvent, Decision, LiveMount, MountEntry, TokenEntry } from '@coffer/core-api';
import { MountRouter } from '@coffer/core-router';
import { InmemBackend, OptimisticTransactor, StorageError } from '@coffer/storage';
import type { HaState, ParsingBackend } from '@coffer/storage';
import type { CoreServices } from './node-status.ts';
import type { Rendered } from './outcome.ts';
import { ForwardFailure, Pipeline } from './pipeline.ts';

const SECRET_CAUSE = 'secret-cause-91c2';

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }
}

/** A node whose every part notes what it was asked, and can be told to fail. */
function world() {
  const order: string[] = [];
  const events: { readonly type: string; readonly event: AuditEvent }[] = [];
  const state = {
    role: 'active' as HaState['role'],
    sealed: false,
    initialized: true,
    allowed: true,
    sudo: false,
    locked: false,
    uses: 0,
    cidrs: [] as readonly string[],
    nowMs: 0,
    auditFails: new Set<string>(),
    handler: (): Response | undefined => ({ data: { value: 'v' } }),
    forward: (): Promise<Rendered> => Promise.resolve({ status: 200, headers: {}, body: 'forwarded' }),
  };
  const run = (): Response | undefined => {
    order.push('handler');
    return state.handler();
  };
  const login = definePath('login/:name', {
    fields: { name: field.name('Name.'), password: field.string('Password.', { secret: true }) },
    help: { synopsis: 'Logs in.' },
    unauthenticated: true,
    login: true,
    update: { summary: 'Log in', handler: run },
  });
  const item = definePath('item/:name', {
    fields: {
      name: field.name('Name.'),
      value: field.string('Value.'),
      count: field.int('Count.'),
      hidden: field.string('Hidden.', { secret: true }),
    },
    help: { synopsis: 'An item.', description: 'Holds a value.' },
    read: { summary: 'Read', handler: run },
    update: { summary: 'Write', handler: run },
    delete: { summary: 'Delete', handler: run },
  });
  const root = definePath('root', {
    fields: {},
    help: { synopsis: 'Needs sudo.' },
    sudo: true,
    read: { summary: 'Read', handler: run },
  });
  const health = definePath('health', {
    fields: {},
    help: { synopsis: 'Health.' },
    unauthenticated: true,
    whileSealed: true,
    read: { summary: 'Health', runs: 'local', handler: run },
  });
  const opened = definePath('opened', {
    fields: {},
    help: { synopsis: 'Only some listeners serve it.' },
    unauthenticated: true,
    openedBy: 'unauthenticated-rekey',
    read: { summary: 'Read', handler: run },
  });
  const mountOf = (path: string, type: string, paths: readonly PathDeclaration<unknown>[]): LiveMount => {
    const engine: EngineType = {
      help: { synopsis: type, description: type },
      paths,
      create: () => undefined,
      loginAlias: (_, data) => String(data.name),
    };
    const entry = {
      table: 'secret',
      namespace: ROOT_NAMESPACE,
      path,
      type,
      uuid: type,
      accessor: `${type}_1`,
      tuning: { auditNonHmacRequestKeys: ['value', 'hidden'] },
    } as unknown as MountEntry;
    return {
      entry,
      type: engine,
      engine: {},
      context: {} as LiveMount['context'],
      prefix: path,
      storagePrefix: `logical/${type}/`,
    };
  };
  const router = new MountRouter();
  router.add(mountOf('kv/', 'kv', [item, root, login, opened]));
  const sys = mountOf('sys/', 'system', [health]);
  router.add(sys);
  const sealedRouter = new MountRouter();
  sealedRouter.add(sys);
  const store = new Store();
  const token = (): TokenEntry =>
    ({
      saltedId: 's1',
      accessor: 'a1',
      parent: '',
      policies: ['p'],
      metadata: null,
      displayName: 'token',
      namespace: ROOT_NAMESPACE,
      type: 'service',
      createdMs: 0,
      ttlSeconds: 0,
      expiresMs: 0,
      numUses: state.uses,
      boundCidrs: state.cidrs,
      entityId: '',
    }) as unknown as TokenEntry;
  const acl = {
    decide: (): Decision => {
      order.push('judged');
      return { allowed: state.allowed, sudo: state.sudo, root: false, grantingPolicies: [], reason: SECRET_CAUSE };
    },
  } as unknown as Acl;
  const audited =
    (type: string) =>
    (event: AuditEvent): Promise<void> => {
      order.push(`audit-${type}`);
      if (state.auditFails.has(type)) return Promise.reject(new Error(SECRET_CAUSE));
      events.push({ type, event });
      return Promise.resolve();
    };
  const spent: string[] = [];
  const services = {
    barrier: { readBarrier: () => void order.push('barrier') },
    transactor: new OptimisticTransactor(store, {
      state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }),
    }),
    router,
    tokens: {
      lookup: (raw: Secret<string>) => {
        order.push('identified');
        return raw.reveal() === 'good' ? token() : undefined;
      },
      spendUse: () => {
        spent.push('use');
        return { allowed: state.uses > 0, last: state.uses === 1 };
      },
      revokeTree: (id: string) => {
        spent.push(`revoked ${id}`);
        return Promise.resolve();
      },
      login: () =>
        Promise.resolve({
          clientToken: 'new',
          accessor: 'new-accessor',
          policies: ['p'],
          tokenPolicies: ['p'],
          metadata: null,
          ttlSeconds: 60,
          renewable: true,
          entityId: '',
          tokenType: 'service',
          orphan: true,
          numUses: 0,
        }),
    },
    policies: { aclFor: () => acl },
    leases: {
      registerSecret: () => {
        order.push('leased');
        return { leaseId: 'kv/item/a/l1', ttlSeconds: 60, renewable: true, warnings: ['shorter'] };
      },
    },
    wrapping: {
      wrap: (_: unknown, response: Response) => {
        order.push(`wrapped ${JSON.stringify(response.data)}`);
        return { token: 'wrap-token', accessor: 'wa', ttlSeconds: 60, creationTime: 't', creationPath: 'kv/item/a' };
      },
    },
    audit: { enabled: true, request: audited('request'), response: audited('response') },
    lockout: {
      isLocked: () => state.locked,
      failed: () => void order.push('counted'),
      succeeded: () => void order.push('cleared'),
    },
  } as unknown as CoreServices;
  const pipeline = new Pipeline({
    node: {
      initialized: () => state.initialized,
      services: () => (state.sealed ? undefined : services),
      sealedRouter,
      namespaces: {} as never,
      ha: () => ({ role: state.role, epoch: 1, sinceMs: 0 }) as HaState,
      haChange: (waitMs) => {
        order.push('waited');
        state.nowMs += waitMs;
        return Promise.resolve();
      },
    },
    forwarder: {
      forward: () => {
        order.push('forwarded');
        return state.forward();
      },
    },
    clock: {
      nowMs: () => 1_700_000_000_000,
      monotonicMs: () => state.nowMs,
      after: () => () => undefined,
      every: () => () => undefined,
    },
    log: silentLog,
  });
  const request = (more: Partial<Request> = {}): Request => ({
    id: 'r1',
    operation: 'read',
    namespace: ROOT_NAMESPACE,
    path: 'kv/item/a',
    data: {},
    token: new Secret('good'),
    headers: {},
    connection: { remoteAddress: '10.0.0.1', remotePort: 1 },
    deadlineMs: 60_000,
    signal: new AbortController().signal,
    noForwarding: false,
    allowStale: false,
    ...more,
  });
  const ask = async (more: Partial<Request> = {}) => {
    const { status, body, headers } = await pipeline.handle(request(more));
    const text = body === undefined ? '' : Buffer.from(body).toString();
    expect(text).not.toContain(SECRET_CAUSE);
    return { status, headers, text };
  };
  return { ask, order, events, spent, state, pipeline, request, services, router };
}

const withoutToken = (request: Request): Request => {
  const { token, ...rest } = request;
  void token;
  return rest;
};

const PERMISSION_DENIED = ['1 error occurred:\n\t* permission denied\n\n'];

const errorsOf = (text: string): unknown => (JSON.parse(text) as { errors: unknown }).errors;

describe('Pipeline', () => {
  it('serves what a listener has to open only where one did', async () => {
    const { ask, request, order } = world();
    const through = (...opens: NonNullable<Request['connection']['opens']>) =>
      ask({ path: 'kv/opened', connection: { ...request().connection, opens } });
    for (const answer of [await ask({ path: 'kv/opened' }), await through('unauthenticated-generate-root')])
      expect([answer.status, errorsOf(answer.text)]).toEqual([405, ['unsupported operation']]);
    expect(order).not.toContain('handler');
    expect(await through('unauthenticated-generate-root', 'unauthenticated-rekey')).toMatchObject({ status: 200 });
  });

  it('goes through its stages in their order', async () => {
    const { ask, order } = world();
    expect(await ask()).toMatchObject({ status: 200 });
    expect(order).toEqual(['barrier', 'identified', 'judged', 'audit-request', 'handler', 'audit-response']);
  });

  it('answers in the envelope, and 204 where there is nothing to tell', async () => {
    const { ask, state } = world();
    expect(JSON.parse((await ask()).text)).toMatchObject({
      request_id: 'r1',
      data: { value: 'v' },
      wrap_info: null,
      auth: null,
      lease_id: '',
      mount_type: 'kv',
    });
    state.handler = () => undefined;
    expect(await ask({ operation: 'delete' })).toMatchObject({ status: 204, text: '' });
    expect(await ask()).toMatchObject({ status: 404, text: '{"errors":[]}\n' });
  });

  describe('refuses', () => {
    it('who has no token, an unknown one, or one for another address', async () => {
      const { pipeline, request, ask, order, state } = world();
      expect((await pipeline.handle(withoutToken(request()))).status).toBe(403);
      expect((await ask({ token: new Secret('bad') })).status).toBe(403);
      state.cidrs = ['10.0.1.0/24'];
      expect((await ask()).status).toBe(403);
      expect(order).not.toContain('handler');
    });

    it('what no policy allows: recorded, not run, and the reason stays inside', async () => {
      const { ask, order, state, events } = world();
      state.allowed = false;
      const { status, text } = await ask();
      expect([status, errorsOf(text)]).toEqual([403, PERMISSION_DENIED]);
      expect(order).not.toContain('handler');
      expect(events.map(({ type, event }) => [type, event.error !== undefined])).toContainEqual(['request', true]);
    });

    it('paths for sudo without it', async () => {
      const { ask, state } = world();
      expect((await ask({ path: 'kv/root' })).status).toBe(403);
      state.sudo = true;
      expect((await ask({ path: 'kv/root' })).status).toBe(200);
    });

    it('unknown paths with 404, but only to who may go there', async () => {
      const { ask, state, pipeline, request } = world();
      for (const path of ['nowhere/a', 'kv/none']) {
        expect([path, (await ask({ path })).status]).toEqual([path, 404]);
        expect([path, (await pipeline.handle(withoutToken(request({ path })))).status]).toEqual([path, 403]);
      }
      expect((await ask({ path: 'kv/root', operation: 'delete' })).status).toBe(403);
      state.sudo = true;
      expect((await ask({ path: 'kv/root', operation: 'delete' })).status).toBe(405);
      state.allowed = false;
      for (const path of ['nowhere/a', 'kv/none']) expect([path, (await ask({ path })).status]).toEqual([path, 403]);
    });

    it('everything below a mount that is tainted; a standby asks where that is decided', async () => {
      const { ask, order, router, state } = world();
      const mount = router.mount(ROOT_NAMESPACE, 'kv/');
      if (mount) router.add({ ...mount, entry: { ...mount.entry, tainted: true } });
      const { status, text } = await ask();
      expect([status, errorsOf(text)]).toEqual([404, ['no handler for route "kv/item/a". route entry is tainted.']]);
      expect(order).not.toContain('handler');
      state.role = 'standby';
      expect(await ask()).toMatchObject({ text: 'forwarded' });
    });

    it('fields of the wrong type, naming them', async () => {
      const { ask, order } = world();
      const { status, text } = await ask({ operation: 'update', data: { count: 'many' } });
      expect(status).toBe(400);
      expect(text).toContain('"count');
      expect(order).not.toContain('handler');
    });
  });

  describe('audits', () => {
    it('before it runs: what cannot be recorded does not happen', async () => {
      const { ask, order, state } = world();
      state.auditFails.add('request');
      expect((await ask({ operation: 'update' })).status).toBe(500);
      expect(order).not.toContain('handler');
    });

    it('after it ran: an answer that cannot be recorded is not given', async () => {
      const { ask, state } = world();
      state.auditFails.add('response');
      const { status, text } = await ask();
      expect(status).toBe(500);
      expect(text).not.toContain('"v"');
    });

    it('failures, too', async () => {
      const { ask, state, events } = world();
      state.handler = () => {
        throw badRequest('no such thing');
      };
      expect((await ask()).status).toBe(400);
      expect(events.at(-1)).toMatchObject({ type: 'response', event: { error: 'no such thing' } });
    });

    it('never a secret field in clear, even where the mount is tuned so', async () => {
      const { ask, events } = world();
      await ask({ operation: 'update', data: { value: 'x', hidden: 'y' } });
      expect(events[0]?.event.publicRequestKeys).toEqual(['value']);
    });
  });

  describe('spends a use of the token', () => {
    it.each([true, false])('where the request is allowed: %s', async (allowed) => {
      const { ask, spent, state } = world();
      state.uses = 2;
      state.allowed = allowed;
      expect((await ask()).status).toBe(allowed ? 200 : 403);
      expect(spent).toEqual(['use']);
      state.uses = 1;
      await ask();
      expect(spent).toEqual(['use', 'use', 'revoked s1']);
    });

    it('on the active node only', async () => {
      const { ask, order, state } = world();
      state.uses = 1;
      state.role = 'standby';
      expect((await ask()).text).toBe('forwarded');
      expect(order).not.toContain('handler');
    });
  });

  describe('while sealed', () => {
    it('says so, or that there is nothing yet', async () => {
      const { ask, state } = world();
      state.sealed = true;
      expect(await ask()).toMatchObject({ status: 503, text: '{"errors":["Vault is sealed"]}\n' });
      state.initialized = false;
      expect((await ask()).status).toBe(501);
    });

    it('serves what tells of the node itself', async () => {
      const { ask, order, state } = world();
      state.sealed = true;
      expect((await ask({ path: 'sys/health' })).status).toBe(200);
      expect(order).toEqual(['handler']);
      expect((await ask({ path: 'sys/health', operation: 'delete' })).status).toBe(405);
    });
  });

  describe('on a standby', () => {
    it('serves reads after the barrier, and forwards writes and what is wrapped', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      expect((await ask()).status).toBe(200);
      expect(order[0]).toBe('barrier');
      expect((await ask({ operation: 'update' })).text).toBe('forwarded');
      expect((await ask({ wrapTtlSeconds: 60 })).text).toBe('forwarded');
      expect(order.filter((step) => step === 'handler')).toHaveLength(1);
    });

    it('skips the barrier for who accepts what is old', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      await ask({ allowStale: true });
      expect(order).not.toContain('barrier');
    });

    it('forwards again what was surely not done', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      let failures = 2;
      state.forward = () =>
        failures-- > 0
          ? Promise.reject(new ForwardFailure(true, SECRET_CAUSE))
          : Promise.resolve({ status: 200, headers: {}, body: 'at last' });
      expect((await ask({ operation: 'update' })).text).toBe('at last');
      expect(order.filter((step) => step === 'forwarded')).toHaveLength(3);
    });

    it('never forwards again what may have been done', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      state.forward = () => Promise.reject(new ForwardFailure(false, SECRET_CAUSE));
      const { status, text, headers } = await ask({ operation: 'update' });
      expect([status, headers['retry-after']]).toEqual([503, '1']);
      expect(text).toContain('outcome of the request is unknown');
      expect(order.filter((step) => step === 'forwarded')).toHaveLength(1);
    });

    it('gives up in time where no leader is found', async () => {
      const { ask, state } = world();
      state.role = 'standby';
      state.forward = () => Promise.reject(new ForwardFailure(true, SECRET_CAUSE));
      expect((await ask({ operation: 'update' })).status).toBe(503);
      expect(state.nowMs).toBeLessThanOrEqual(10_000);
      const before = state.nowMs;
      expect((await ask({ operation: 'update', deadlineMs: before + 500 })).status).toBe(503);
      expect(state.nowMs).toBeLessThanOrEqual(before + 500);
    });

    it('becomes active meanwhile, and serves itself', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      state.forward = () => {
        state.role = 'active';
        return Promise.reject(new ForwardFailure(true, 'unsent'));
      };
      expect((await ask({ operation: 'update' })).status).toBe(200);
      expect(order).toContain('handler');
    });

    it('does not forward for who said not to', async () => {
      const { ask, order, state } = world();
      state.role = 'standby';
      expect((await ask({ operation: 'update', noForwarding: true })).status).toBe(503);
      expect(order).not.toContain('forwarded');
    });

    it('sends back what was forwarded to it by mistake, undone', async () => {
      const { pipeline, request, order, state } = world();
      state.role = 'standby';
      expect(await pipeline.handleForwarded(request({ operation: 'update' }))).toBeUndefined();
      expect(order).not.toContain('handler');
      state.role = 'active';
      expect(await pipeline.handleForwarded(request({ operation: 'update' }))).toMatchObject({ status: 200 });
    });
  });

  it('wraps, and shows the token alone', async () => {
    const { ask, order } = world();
    const { text } = await ask({ wrapTtlSeconds: 60 });
    expect(order).toContain('wrapped {"value":"v"}');
    expect(JSON.parse(text)).toMatchObject({ data: null, wrap_info: { token: 'wrap-token', ttl: 60 } });
  });

  it('leases what a handler grants', async () => {
    const { ask, order, state } = world();
    state.handler = () => ({ data: { value: 'v' }, secret: {} as NonNullable<Response['secret']> });
    const { text } = await ask();
    expect(order).toContain('leased');
    expect(JSON.parse(text)).toMatchObject({
      lease_id: 'kv/item/a/l1',
      lease_duration: 60,
      renewable: true,
      warnings: ['shorter'],
      data: { value: 'v' },
    });
  });

  it('tells help from the declarations, running nothing', async () => {
    const { ask, order } = world();
    const { status, text } = await ask({ operation: 'help' });
    expect(status).toBe(200);
    expect(text).toContain('An item.');
    expect(order).not.toContain('handler');
  });

  describe('at a login', () => {
    const login = { path: 'kv/login/ann', operation: 'update' as const, data: { password: 'x' } };

    it('makes a token and forgets the failures', async () => {
      const { ask, order, state } = world();
      state.handler = () => ({ login: {} as NonNullable<Response['login']> });
      expect(JSON.parse((await ask(login)).text)).toMatchObject({ auth: { client_token: 'new' } });
      expect(order).toContain('cleared');
    });

    it('counts wrong passwords, and nothing else', async () => {
      const { ask, order, state } = world();
      state.handler = () => {
        throw new RequestError('invalid-credentials');
      };
      expect((await ask(login)).status).toBe(400);
      expect(order.filter((step) => step === 'counted')).toHaveLength(1);
      state.handler = () => {
        throw badRequest('missing password');
      };
      await ask(login);
      expect(order.filter((step) => step === 'counted')).toHaveLength(1);
    });

    it('asks no handler for a user who is locked out', async () => {
      const { ask, order, state } = world();
      state.locked = true;
      expect((await ask(login)).status).toBe(403);
      expect(order).not.toContain('handler');
    });
  });

  it.each([
    ['an error', new Error(SECRET_CAUSE), 500],
    ['a text', SECRET_CAUSE, 500],
    ['StorageError disk', new StorageError('disk', SECRET_CAUSE), 500],
    ['StorageError corrupt', new StorageError('corrupt', SECRET_CAUSE), 500],
    ['StorageError closed', new StorageError('closed', SECRET_CAUSE), 500],
    ['StorageError in-doubt', new StorageError('in-doubt', SECRET_CAUSE), 503],
    ['StorageError deadline', new StorageError('deadline', SECRET_CAUSE), 504],
    ['StorageError no-leader', new StorageError('no-leader', SECRET_CAUSE), 503],
    ['StorageError epoch-lost', new StorageError('epoch-lost', SECRET_CAUSE), 503],
    ['StorageError too-large', new StorageError('too-large', 'the value is too large'), 413],
    ['BarrierError sealed', new BarrierError('sealed', SECRET_CAUSE), 503],
    ['BarrierError corrupt', new BarrierError('corrupt', SECRET_CAUSE), 500],
    ['RequestError internal', new RequestError('internal', undefined, { cause: new Error(SECRET_CAUSE) }), 500],
  ])('tells of %s only what the client may know', async (_, failure, status) => {
    const { ask, state } = world();
    state.handler = () => {
      throw failure;
    };
    expect((await ask()).status).toBe(status);
  });
});
