import { Secret, silentLog, systemRandom } from '@coffer/kernel';
import { NO_TOKEN_PARAMETERS, ROOT_NAMESPACE } from '@coffer/sdk';
import type { EngineType, LoginAuth, NamespaceRef } from '@coffer/sdk';
import type { LeaseManager, LiveMount, NewToken, Router } from '@coffer/core-api';
import { OptimisticTransactor } from '@coffer/storage';
import type { ParsingBackend, Transaction } from '@coffer/storage';
// Only specs import this file, and they may know the testing library.
// eslint-disable-next-line @nx/enforce-module-boundaries
import { ManualClock, TestStore } from '@coffer/testing';
import { TokenService } from './token-service.ts';

const DAY_SECONDS = 86_400;

export const login: LoginAuth = {
  displayName: 'ann',
  policies: ['app'],
  metadata: { username: 'ann' },
  parameters: NO_TOKEN_PARAMETERS,
  renewable: true,
};

export const newToken = (more: Partial<NewToken> = {}): NewToken => ({
  namespace: ROOT_NAMESPACE,
  policies: ['default'],
  path: 'auth/token/create',
  metadata: null,
  displayName: 'token',
  type: 'service',
  ttlSeconds: 3600,
  explicitMaxTtlSeconds: 0,
  periodSeconds: 0,
  renewable: true,
  numUses: 0,
  boundCidrs: [],
  strictlyBindIp: false,
  role: '',
  entityId: '',
  ...more,
});

/** Remembers what it is asked for. */
class RecordedLeases implements Pick<LeaseManager, 'registerToken' | 'dropToken' | 'revokeByToken'> {
  readonly tokens = new Map<string, number>();
  readonly revokedTokens = new Set<string>();

  registerToken(_tx: Transaction, lease: Parameters<LeaseManager['registerToken']>[1]): string {
    this.tokens.set(lease.saltedTokenId, lease.expiresMs);
    return `${lease.path}/h${lease.saltedTokenId}`;
  }

  dropToken(_tx: Transaction, _namespace: NamespaceRef, _path: string, saltedTokenId: string): void {
    this.tokens.delete(saltedTokenId);
  }

  revokeByToken(saltedTokenId: string): Promise<void> {
    this.revokedTokens.add(saltedTokenId);
    return Promise.resolve();
  }
}

function mountOf(prefix: string, accessor: string, typeName: string): LiveMount {
  const type: EngineType<null> = { help: { synopsis: 'x', description: 'x' }, paths: [], create: () => null };
  return {
    entry: { accessor, namespace: ROOT_NAMESPACE, path: prefix.replace(/^auth\//, ''), type: typeName, tuning: {} },
    type,
    engine: null,
    prefix,
    storagePrefix: `logical/${accessor}/`,
    context: {
      signal: new AbortController().signal,
      system: { defaultLeaseTtlSeconds: () => 32 * DAY_SECONDS, maxLeaseTtlSeconds: () => 32 * DAY_SECONDS },
    },
  } as unknown as LiveMount;
}

export const ACTIVE = { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) as const };

/** A token store with fakes around it. */
export function world(store = new TestStore(), clock = new ManualClock()) {
  return worldOn(store, clock);
}

/** The same, on a store of any kind. */
export function worldOn<S extends ParsingBackend>(store: S, clock: ManualClock) {
  const mounts = [
    mountOf('auth/token/', 'auth_token_1', 'token'),
    mountOf('auth/userpass/', 'auth_userpass_1', 'userpass'),
    mountOf('cubbyhole/', 'cubbyhole_1', 'cubbyhole'),
  ];
  const router = {
    mount: (_: NamespaceRef, path: string) => mounts.find(({ prefix }) => path.startsWith(prefix)),
    byAccessor: (accessor: string) => mounts.find(({ entry }) => entry.accessor === accessor),
  } as unknown as Router;
  const leases = new RecordedLeases();
  const transactor = new OptimisticTransactor(store, ACTIVE);
  const identity = {
    entityForLogin: () => 'entity-1',
    policiesOf: (): readonly string[] => [],
  };
  const tokens = new TokenService({
    backend: store,
    transactor,
    derive: (purpose, length) => new Secret(new Uint8Array(Buffer.alloc(length, purpose))),
    leases: () => leases,
    identity: () => identity,
    router: () => router,
    clock,
    random: systemRandom,
    log: silentLog,
  });
  tokens.start();
  const create = (more: Partial<NewToken> = {}) => transactor.run((tx) => tokens.create(tx, newToken(more)));
  return { store, clock, tokens, transactor, leases, router, mounts, identity, create };
}
