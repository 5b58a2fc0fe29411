import { silentLog } from '@coffer/kernel';
import type { Secret } from '@coffer/kernel';
import { PathTable, coerceFields } from '@coffer/sdk';
import type { Response } from '@coffer/sdk';
import { MountView } from '@coffer/core-api';
import type { CoreRequestContext, LiveMount, TokenEntry } from '@coffer/core-api';
import { createTokenEngine } from './token-engine.ts';
import { world } from '../world.fixture.ts';

interface Holder {
  readonly token: Secret<string>;
  readonly entry: TokenEntry;
}

/** Renews a holder's own token, as the pipeline asks for it. */
function renewalWorld() {
  const w = world();
  const engine = createTokenEngine({
    tokens: () => w.tokens,
    policies: () => ({ get: () => undefined }),
    identity: () => w.identity,
    router: () => w.router,
    log: silentLog,
  });
  const table = new PathTable(engine.paths);
  const mount = w.mounts[0] as LiveMount;
  const renew = (path: string, holder: Holder, data: Record<string, unknown> = {}): Promise<Response | undefined> => {
    const match = table.match(path);
    const declared = match?.path.operations.update;
    if (!match || !declared) throw new Error(`no such path: ${path}`);
    const { values } = coerceFields(match.path.fields, match.captures, data, false);
    return w.transactor.run(async (transaction) => {
      const context = {
        request: { namespace: holder.entry.namespace, path: `auth/token/${path}`, data, token: holder.token },
        operation: 'update',
        view: new MountView(transaction, mount.storagePrefix),
        relativePath: path,
        nowMs: w.clock.nowMs(),
        warn: () => undefined,
        transaction,
        mount,
        token: holder.entry,
      } as unknown as CoreRequestContext;
      return declared.handler(null, values as never, context);
    });
  };
  const taint = (tainted: boolean): void => {
    const [, userpass] = w.mounts;
    Object.assign((userpass as LiveMount).entry, { tainted });
  };
  return { ...w, renew, taint };
}

describe('auth/token/renew', () => {
  const made = { path: 'auth/userpass/login/ann', renewable: true, ttlSeconds: 3600 };

  it('renews no token of an auth method that is being removed or moved, however it is asked for', async () => {
    const { create, renew, taint } = renewalWorld();
    const holder = await create(made);
    const text = holder.token.reveal();
    const ways = [
      () => renew('renew-self', holder),
      () => renew('renew', holder, { token: text }),
      () => renew('renew-accessor', holder, { accessor: holder.entry.accessor }),
    ];
    taint(true);
    for (const way of ways)
      await expect(way()).rejects.toMatchObject({
        status: 404,
        message: 'no handler for route "auth/userpass/login/ann". route entry is tainted.',
      });
    taint(false);
    for (const way of ways) expect((await way())?.auth).toMatchObject({ renewable: true });
  });

  it('renews tokens of other methods meanwhile', async () => {
    const { create, renew, taint } = renewalWorld();
    taint(true);
    expect((await renew('renew-self', await create({ ...made, path: 'auth/token/create' })))?.auth).toBeDefined();
  });
});
