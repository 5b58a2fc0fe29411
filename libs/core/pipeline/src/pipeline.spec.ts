import { Secret } from '@coffer/kernel';
import { BarrierError } from '@coffer/barrier';
import { ROOT_NAMESPACE, RequestError, badRequest } from '@coffer/sdk';
import type { Request, Response } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import { SECRET_CAUSE, world } from './pipeline-world.fixture.ts';

const withoutToken = (request: Request): Request => {
  const { token, ...rest } = request;
  void token;
  return rest;
};

const PERMISSION_DENIED = ['1 error occurred:\n\t* permission denied\n\n'];

const errorsOf = (text: string): unknown => (JSON.parse(text) as { errors: unknown }).errors;

describe('Pipeline', () => {
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

  it('serves what a listener has to open only where one did', async () => {
    const { ask, request, order } = world();
    const through = (...opens: NonNullable<Request['connection']['opens']>) =>
      ask({ path: 'kv/opened', connection: { ...request().connection, opens } });
    for (const answer of [await ask({ path: 'kv/opened' }), await through('unauthenticated-generate-root')])
      expect([answer.status, errorsOf(answer.text)]).toEqual([405, ['unsupported operation']]);
    expect(order).not.toContain('handler');
    expect(await through('unauthenticated-generate-root', 'unauthenticated-rekey')).toMatchObject({ status: 200 });
  });

  it('lists nothing of what is open to all, whoever asks and wherever', async () => {
    const { pipeline, request, ask, state } = world();
    const list = { path: 'sys/health/', operation: 'list' } as const;
    for (const role of ['active', 'standby'] as const) {
      state.role = role;
      expect((await ask(list)).status).toBe(405);
      expect((await pipeline.handle(withoutToken(request(list)))).status).toBe(405);
    }
    state.role = 'active';
    expect((await pipeline.handle(withoutToken(request({ ...list, path: 'kv/item/' })))).status).toBe(403);
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

    it('to tell of them whom no policy lets go there', async () => {
      const { ask, state, events } = world();
      state.allowed = false;
      const { status, text } = await ask({ operation: 'update', data: { count: 'many' } });
      expect([status, errorsOf(text)]).toEqual([403, PERMISSION_DENIED]);
      expect(events).toMatchObject([{ type: 'request' }]);
    });

    it('to write to a folder, before it is known who asks', async () => {
      const { pipeline, request, order } = world();
      for (const operation of ['update', 'patch'] as const) {
        const { status } = await pipeline.handle(withoutToken(request({ operation, path: 'kv/item/' })));
        expect(status).toBe(400);
      }
      expect(order).toEqual([]);
      expect((await pipeline.handle(request({ operation: 'delete', path: 'kv/none/' }))).status).toBe(404);
    });

    it('HEAD: only who may read learns whether the path is there', async () => {
      const { ask, state, order } = world();
      expect((await ask({ operation: 'head' })).status).toBe(405);
      expect((await ask({ operation: 'head', path: 'none/x' })).status).toBe(404);
      state.allowed = false;
      expect((await ask({ operation: 'head' })).status).toBe(403);
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

    it('who was not let in: unknown tokens, other addresses, fields that do not fit', async () => {
      const { pipeline, request, ask, events, state, order } = world();
      const errors = (): readonly unknown[] => events.splice(0).map(({ type, event }) => [type, event.error]);
      await pipeline.handle(withoutToken(request()));
      expect(errors()).toEqual([['request', 'permission denied']]);
      await ask({ token: new Secret('bad') });
      expect(errors()).toEqual([['request', 'permission denied']]);
      await ask({ operation: 'update', data: { count: 'many' } });
      expect(errors()).toEqual([['request', expect.stringContaining('"count"')]]);
      state.cidrs = ['10.0.1.0/24'];
      await ask();
      expect(errors()).toEqual([['request', 'permission denied']]);
      // What cannot be recorded is not told either.
      state.auditFails.add('request');
      expect((await ask({ token: new Secret('bad') })).status).toBe(500);
      expect(order).not.toContain('handler');
    });

    it('what is asked, always, but gives an answer that must not be lost even unrecorded', async () => {
      const { ask, state, order } = world();
      state.auditFails.add('response');
      expect((await ask({ path: 'kv/shares', operation: 'update' })).status).toBe(200);
      expect((await ask({ operation: 'update' })).status).toBe(500);
      state.auditFails.add('request');
      order.splice(0);
      expect((await ask({ path: 'kv/shares', operation: 'update' })).status).toBe(500);
      expect(order).not.toContain('handler');
    });

    it('nothing that goes on unseen: what an answer that cannot be recorded has made is taken back', async () => {
      const { ask, state, made, spent, revokedLeases } = world();
      const token = (saltedId: string, createdMs: number, lastRenewedMs = 0) =>
        ({ type: 'service', saltedId, createdMs, lastRenewedMs }) as const;
      const nowMs = 1_700_000_000_000;
      made.set('new', token('s-new', nowMs)).set('wrap-token', token('s-wrap', nowMs));
      made.set('renewed', token('s-renewed', nowMs - 1)).set('at-once', token('s-at-once', nowMs, nowMs));
      state.auditFails.add('response');
      state.handler = () => ({ login: {} as NonNullable<Response['login']> });
      expect((await ask({ path: 'kv/login/ann', operation: 'update' })).status).toBe(500);
      expect(spent.splice(0)).toEqual(['revoked s-new']);
      state.handler = () => ({ data: { value: 'v' } });
      expect((await ask({ wrapTtlSeconds: 60 })).status).toBe(500);
      expect(spent.splice(0)).toEqual(['revoked s-wrap']);
      state.handler = () => ({ data: { value: 'v' }, secret: {} as NonNullable<Response['secret']> });
      expect((await ask()).status).toBe(500);
      expect(revokedLeases.splice(0)).toEqual(['kv/item/a/l1']);
      // What was there before stays.
      for (const clientToken of ['renewed', 'at-once']) {
        state.handler = () => ({ auth: { clientToken } as NonNullable<Response['auth']> });
        expect((await ask({ operation: 'update' })).status).toBe(500);
      }
      state.auditFails.clear();
      state.handler = () => ({ login: {} as NonNullable<Response['login']> });
      expect((await ask({ path: 'kv/login/ann', operation: 'update' })).status).toBe(200);
      expect([spent, revokedLeases]).toEqual([[], []]);
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

    it('where it fails, whatever is wrong', async () => {
      const { ask, spent, state } = world();
      state.uses = 2;
      state.handler = () => {
        throw badRequest('no such thing');
      };
      expect((await ask()).status).toBe(400);
      expect((await ask({ operation: 'update', data: { count: 'many' } })).status).toBe(400);
      expect((await ask({ path: 'kv/none/a' })).status).toBe(404);
      // The first batch, which took a use, was not written: it is taken by one of its own.
      expect(spent).toEqual(['use', 'use', 'use', 'use']);
      state.uses = 1;
      await ask();
      expect(spent.at(-1)).toBe('revoked s1');
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
      const { status, text } = await ask();
      expect([status, errorsOf(text)]).toEqual([503, ['Vault is sealed: it is not initialized']]);
    });

    it('has done what would bring it here', async () => {
      const { ask, order, state } = world();
      state.sealed = true;
      expect(await ask({ path: 'sys/rest', operation: 'update' })).toMatchObject({ status: 204, text: '' });
      expect((await ask({ path: 'sys/rest' })).status).toBe(503);
      expect(order).toEqual([]);
      state.sealed = false;
      expect((await ask({ path: 'sys/rest', operation: 'update' })).status).toBe(200);
      expect(order).toContain('handler');
    });

    it('serves what tells of the node itself', async () => {
      const { ask, order, state } = world();
      state.sealed = true;
      expect((await ask({ path: 'sys/health' })).status).toBe(200);
      expect(order).toEqual(['handler']);
      for (const more of [{ operation: 'delete' }, { operation: 'list', path: 'sys/health/' }] as const)
        expect((await ask({ path: 'sys/health', ...more })).status).toBe(405);
    });
  });

  it('wraps, and shows the token alone', async () => {
    const { ask, order } = world();
    const { text } = await ask({ wrapTtlSeconds: 60 });
    expect(order).toContain('wrapped {"value":"v"}');
    expect(JSON.parse(text)).toMatchObject({ data: null, wrap_info: { token: 'wrap-token', ttl: 60 } });
  });

  it('waits for a mount that is starting, as long as the request may', async () => {
    const { ask, order, router } = world();
    let started: () => void = () => undefined;
    const starting = new Promise<void>((resolve) => (started = resolve));
    const mount = router.mount(ROOT_NAMESPACE, 'kv/');
    if (mount) router.add({ ...mount, starting });
    const end = new AbortController();
    const [late, given] = [ask(), ask({ signal: end.signal })];
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).not.toContain('handler');
    end.abort();
    expect((await given).status).toBe(504);
    started();
    expect((await late).status).toBe(200);
    expect(order.filter((step) => step === 'handler')).toHaveLength(1);
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
      expect(JSON.parse((await ask(login)).text)).toMatchObject({
        auth: { client_token: 'new' },
        warnings: ['capped'],
      });
      expect(order).toContain('cleared');
      expect(order).toContain('login from 10.0.0.1');
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

    it('makes no token for a right guess among many at once, of which enough were wrong', async () => {
      const { ask, order, state } = world();
      state.handler = () => ({ login: {} as NonNullable<Response['login']> });
      state.lockedMeanwhile = true;
      expect((await ask(login)).status).toBe(403);
      expect(order).toContain('handler');
      expect(order).not.toContain('login from 10.0.0.1');
      expect(order).not.toContain('cleared');
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
    ['StorageError disk', new StorageError('disk', SECRET_CAUSE), 503],
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

describe('work after the commit', () => {
  it('is done once, after everything was committed, and its answer is the answer', async () => {
    const { ask, state, order } = world();
    state.handler = () => ({
      data: { value: 'before' },
      afterCommit: () => {
        order.push('afterwards');
        return Promise.resolve({ data: { value: 'after' }, warnings: ['found afterwards'] });
      },
    });
    const { status, text } = await ask({ operation: 'update' });
    expect(status).toBe(200);
    expect(text).toContain('"value":"after"');
    expect(text).toContain('"warnings":["found afterwards"]');
    expect(order.slice(order.indexOf('handler'))).toEqual(['handler', 'afterwards', 'audit-response']);
  });

  it('may leave the node sealed: then there is nobody to record the answer, and it is given', async () => {
    const { ask, state, order } = world();
    state.handler = () => ({
      afterCommit: () => {
        state.sealed = true;
        return Promise.resolve(undefined);
      },
    });
    expect((await ask({ operation: 'update' })).status).toBe(204);
    expect(order).not.toContain('audit-response');
  });

  it('fails as a handler does', async () => {
    const { ask, state } = world();
    state.handler = () => ({ afterCommit: () => Promise.reject(badRequest('no such archive')) });
    const { status, text } = await ask({ operation: 'update' });
    expect([status, text]).toEqual([400, '{"errors":["no such archive"]}\n']);
  });
});
