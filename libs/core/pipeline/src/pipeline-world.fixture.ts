import { Secret, silentLog } from '@coffer/kernel';
import { ROOT_NAMESPACE, definePath, field } from '@coffer/sdk';
import type { EngineType, PathDeclaration, Request, Response } from '@coffer/sdk';
import type { Acl, AuditEvent, Decision, LiveMount, MountEntry, TokenEntry } from '@coffer/core-api';
import { MountRouter } from '@coffer/core-router';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { HaState, ParsingBackend } from '@coffer/storage';
import type { CoreServices } from './node-status.ts';
import type { Rendered } from './outcome.ts';
import { Pipeline } from './pipeline.ts';
import { StateTokens } from './state-tokens.ts';

/** In causes of failures; answers never show it. */
export const SECRET_CAUSE = 'secret-cause-91c2';

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }
}

/** A node whose every part notes what it was asked, and can be told to fail. */
export function world() {
  const order: string[] = [];
  const timers: { readonly atMs: number; readonly run: () => void }[] = [];
  /** What runs again and again. */
  const looks = new Set<() => void>();
  const events: { readonly type: string; readonly event: AuditEvent }[] = [];
  const state = {
    role: 'active' as HaState['role'],
    sealed: false,
    initialized: true,
    allowed: true,
    sudo: false,
    locked: false,
    lockedMeanwhile: false,
    uses: 0,
    cidrs: [] as readonly string[],
    nowMs: 0,
    applied: 7,
    leaderKnown: true,
    auditFails: new Set<string>(),
    handler: (): Response | undefined => ({ data: { value: 'v' } }),
    haChange: (waitMs: number): Promise<void> => {
      state.nowMs += waitMs;
      return Promise.resolve();
    },
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
  const shares = definePath('shares', {
    fields: {},
    help: { synopsis: 'Its answer must not be lost.' },
    answeredUnrecorded: true,
    update: { summary: 'Write', handler: run },
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
  const rest = definePath('rest', {
    fields: {},
    help: { synopsis: 'Seals.' },
    doneWhileSealed: true,
    update: { summary: 'Seal', handler: run },
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
  router.add(mountOf('kv/', 'kv', [item, root, login, opened, shares]));
  const sys = mountOf('sys/', 'system', [health, rest]);
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
  /** Tokens that answers name, by text or accessor. */
  const made = new Map<string, Partial<TokenEntry>>();
  const revokedLeases: string[] = [];
  const services = {
    barrier: {
      readBarrier: () => void order.push('barrier'),
      appliedIndex: () => state.applied,
    },
    stateTokens: new StateTokens(Buffer.from('key'), () => 'c1'),
    transactor: new OptimisticTransactor(store, {
      state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }),
    }),
    router,
    tokens: {
      lookup: (raw: Secret<string>) => {
        order.push('identified');
        if (raw.reveal() === 'good') return token();
        return made.get(raw.reveal());
      },
      byAccessor: (accessor: string) => made.get(accessor),
      spendUse: () => {
        spent.push('use');
        return { allowed: state.uses > 0, last: state.uses === 1 };
      },
      revokeTree: (id: string) => {
        spent.push(`revoked ${id}`);
        return Promise.resolve();
      },
      login: (_: unknown, __: unknown, ___: unknown, from: { readonly remoteAddress: string }) => {
        order.push(`login from ${from.remoteAddress}`);
        return Promise.resolve({
          warnings: ['capped'],
          auth: {
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
          },
        });
      },
    },
    policies: { aclFor: () => acl },
    leases: {
      get: (_: unknown, id: string) => ({ id, issuedMs: 1_700_000_000_000 }),
      revoke: (_: unknown, id: string) => void revokedLeases.push(id),
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
      isLockedIn: () => state.lockedMeanwhile,
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
      ha: () =>
        ({
          role: state.role,
          epoch: 1,
          sinceMs: 0,
          ...(state.leaderKnown ? { leader: { nodeId: 'n2', apiAddress: 'https://active:8200' } } : {}),
        }) as HaState,
      haChange: (waitMs) => {
        order.push('waited');
        return state.haChange(waitMs);
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
      after: (delayMs, run) => {
        timers.push({ atMs: state.nowMs + delayMs, run });
        return () => void timers.splice(0);
      },
      every: (_, run) => {
        looks.add(run);
        return () => void looks.delete(run);
      },
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
    const text = body === undefined ? '' : Buffer.from(body as string).toString();
    expect(text).not.toContain(SECRET_CAUSE);
    return { status, headers, text };
  };
  return { ask, order, events, spent, made, revokedLeases, state, pipeline, request, services, router, timers, looks };
}
