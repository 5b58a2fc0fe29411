import { ForwardFailure } from './forward-failure.ts';
import { StateTokens } from './state-tokens.ts';
import { SECRET_CAUSE, world } from './pipeline-world.fixture.ts';

describe('Pipeline on a standby', () => {
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
        ? Promise.reject(new ForwardFailure('unsent', SECRET_CAUSE))
        : Promise.resolve({ status: 200, headers: {}, body: 'at last' });
    expect((await ask({ operation: 'update' })).text).toBe('at last');
    expect(order.filter((step) => step === 'forwarded')).toHaveLength(3);
  });

  it('never forwards again what may have been done', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    state.forward = () => Promise.reject(new ForwardFailure('interrupted', SECRET_CAUSE));
    const { status, text, headers } = await ask({ operation: 'update' });
    expect([status, headers['retry-after']]).toEqual([503, '1']);
    expect(text).toContain('outcome of the request is unknown');
    expect(order.filter((step) => step === 'forwarded')).toHaveLength(1);
  });

  it('gives up in time where no leader is found', async () => {
    const { ask, state } = world();
    state.role = 'standby';
    state.forward = () => Promise.reject(new ForwardFailure('unsent', SECRET_CAUSE));
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
      return Promise.reject(new ForwardFailure('unsent', 'unsent'));
    };
    expect((await ask({ operation: 'update' })).status).toBe(200);
    expect(order).toContain('handler');
  });

  it('sends who wants nothing forwarded to the active node, once it knows which that is', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    const { status, headers, text } = await ask({
      operation: 'update',
      noForwarding: true,
      rawBody: Buffer.from('{}'),
    });
    expect([status, headers.location, text]).toEqual([307, 'https://active:8200/v1/kv/item/a', '']);
    const read = { path: 'kv/item/a b?', data: { x: ['1', '2'] }, wrapTtlSeconds: 60, noForwarding: true };
    expect((await ask(read)).headers.location).toBe('https://active:8200/v1/kv/item/a%20b%3F?x=1&x=2');
    expect((await ask({ ...read, operation: 'list', data: {} })).headers.location).toMatch(/\?list=true$/);
    state.leaderKnown = false;
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

  it('sends on what it does not know: it may be there already where writes are ordered', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    for (const path of ['nowhere/a', 'kv/none']) expect((await ask({ path })).text).toBe('forwarded');
    expect((await ask({ path: 'kv/root', operation: 'list' })).text).toBe('forwarded');
    expect(order.filter((step) => step !== 'forwarded')).toEqual([]);
    state.role = 'active';
    expect((await ask({ path: 'nowhere/a' })).status).toBe(404);
  });

  it('answers what is about itself, wrapped or sent to the active node or not', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    expect((await ask({ path: 'sys/health', wrapTtlSeconds: 60 })).status).toBe(200);
    expect((await ask({ path: 'sys/health', toActive: true })).status).toBe(200);
    expect(order).not.toContain('forwarded');
  });

  it('leaves it to the active node to spend a use', async () => {
    const { ask, order, spent, state } = world();
    state.role = 'standby';
    state.uses = 1;
    expect((await ask()).text).toBe('forwarded');
    expect(order).not.toContain('handler');
    expect(spent).toEqual([]);
  });

  it('lets the active node answer who asks for that', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    expect((await ask({ toActive: true })).text).toBe('forwarded');
    state.role = 'active';
    expect((await ask({ toActive: true })).status).toBe(200);
    expect(order.filter((step) => step === 'forwarded')).toHaveLength(1);
  });

  it('gives no old answer while it hears no leader', async () => {
    const { ask, order, state } = world();
    state.role = 'standby';
    state.leaderKnown = false;
    await ask({ allowStale: true });
    expect(order[0]).toBe('barrier');
  });

  it('keeps only so many waiting while there is no leader, and tells the others to come again', async () => {
    const { pipeline, request, state } = world();
    state.role = 'standby';
    state.haChange = () => new Promise(() => undefined);
    state.forward = () => Promise.reject(new ForwardFailure('unsent', SECRET_CAUSE));
    const body = new Uint8Array(16 * 1024 * 1024);
    const write = () => pipeline.handle(request({ operation: 'update', rawBody: body }));
    for (let count = 0; count < 4; count++) void write();
    const refused = await write();
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(refused.body).toContain('too many requests wait');
  });

  it.each([
    ['busy', 503, '1'],
    ['too-large', 413, undefined],
    ['interrupted', 503, '1'],
  ] as const)('tries a request that is %s no further', async (kind, status, retryAfter) => {
    const { ask, order, state } = world();
    state.role = 'standby';
    state.forward = () => Promise.reject(new ForwardFailure(kind, SECRET_CAUSE));
    const answer = await ask({ operation: 'update' });
    expect([answer.status, answer.headers['retry-after']]).toEqual([status, retryAfter]);
    expect(order.filter((step) => step === 'forwarded')).toHaveLength(1);
  });

  it('says after ten seconds without a leader that nothing was done', async () => {
    const { ask, state } = world();
    state.role = 'standby';
    state.forward = () => Promise.reject(new ForwardFailure('unsent', SECRET_CAUSE));
    const { text, headers } = await ask({ operation: 'update' });
    expect(text).toContain('no active node');
    expect(headers['retry-after']).toBe('1');
  });
});

describe('the requests in flight', () => {
  it('are those of other nodes, too, until they are answered', async () => {
    const { pipeline, request, state, order } = world();
    let seen = 0;
    state.handler = () => {
      seen = pipeline.requestsInFlight().size;
      return undefined;
    };
    await pipeline.handleForwarded(request({ operation: 'update' }));
    expect([seen, pipeline.requestsInFlight().size]).toEqual([1, 0]);
    state.role = 'standby';
    expect(await pipeline.handleForwarded(request({ operation: 'update' }))).toBeUndefined();
    expect(pipeline.requestsInFlight().size).toBe(0);
    expect(order).not.toContain('forwarded');
  });
});

describe('a read after a write', () => {
  const written = async ({ ask, state }: ReturnType<typeof world>, index: number): Promise<string> => {
    state.applied = index;
    const { headers } = await ask({ operation: 'update' });
    state.applied = 7;
    return headers['x-vault-index'] ?? '';
  };

  it('names the state that it must see, as the write was answered with it', async () => {
    const w = world();
    const requiredState = await written(w, 12);
    expect(Buffer.from(requiredState, 'base64').toString()).toMatch(/^v1:c1:12:12:[0-9a-f]{64}$/);
    expect((await w.ask({})).headers['x-vault-index']).toBeUndefined();
  });

  it('is answered where the state is there, in each way of asking', async () => {
    const w = world();
    const requiredState = await written(w, 7);
    w.state.role = 'standby';
    for (const more of [{}, { allowStale: true }, { whenBehind: 'fail' }, { whenBehind: 'forward' }] as const)
      expect((await w.ask({ requiredState, ...more })).status).toBe(200);
    expect(w.order).not.toContain('forwarded');
  });

  it('fails or is sent on at once, if it says so', async () => {
    const w = world();
    const requiredState = await written(w, 8);
    w.state.role = 'standby';
    expect(await w.ask({ requiredState, whenBehind: 'fail' })).toMatchObject({
      status: 412,
      text: '{"errors":["required index state not present"]}\n',
    });
    expect((await w.ask({ requiredState, whenBehind: 'forward' })).text).toBe('forwarded');
    w.state.role = 'active';
    expect((await w.ask({ requiredState, whenBehind: 'forward' })).status).toBe(412);
  });

  it('waits until the state is there, and not for ever', async () => {
    const w = world();
    const requiredState = await written(w, 8);
    w.state.role = 'standby';
    w.order.splice(0);
    const arrives = w.ask({ requiredState, allowStale: true });
    const [look] = w.looks;
    look?.();
    expect(w.order).not.toContain('identified');
    w.state.applied = 8;
    look?.();
    expect((await arrives).status).toBe(200);
    w.state.applied = 7;
    const never = w.ask({ requiredState, allowStale: true });
    expect(w.timers.at(-1)?.atMs).toBe(5000);
    w.timers.at(-1)?.run();
    expect((await never).status).toBe(412);
    expect(w.looks.size).toBe(0);
  });

  it.each(['', 'nonsense', Buffer.from('v1:c1:9:9:00').toString('base64'), 'a'.repeat(600)])(
    'is refused with a state that this cluster did not issue (%j)',
    async (requiredState) => {
      expect((await world().ask({ requiredState })).status).toBe(400);
    },
  );

  it('is refused with a state of another cluster', async () => {
    const other = new StateTokens(Buffer.from('key'), () => 'c2').issue(1);
    const { status, text } = await world().ask({ requiredState: other });
    expect(status).toBe(400);
    expect(text).toContain('this cluster has not issued it');
  });
});
