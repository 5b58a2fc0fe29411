import type { HaState } from '@coffer/storage';
import type {
  AuditBroker,
  Identity,
  LeaseManager,
  Lockout,
  Namespaces,
  PolicyStore,
  Router,
  TokenStore,
  Wrapping,
} from '@coffer/core-api';
import type { Barrier } from '@coffer/barrier';
import type { Transactor } from '@coffer/storage';
import type { MaybePromise } from '@coffer/kernel';
import type { StateTokens } from './state-tokens.ts';

/** The services of an unsealed node; made at unsealing, dropped at sealing. */
export interface CoreServices {
  readonly barrier: Barrier;
  readonly transactor: Transactor;
  readonly router: Router;
  readonly tokens: TokenStore;
  readonly policies: PolicyStore;
  readonly leases: LeaseManager;
  readonly identity: Identity;
  readonly wrapping: Wrapping;
  readonly audit: AuditBroker;
  readonly lockout: Lockout;
  readonly stateTokens: StateTokens;
}

/** What a node is, as far as serving a request is concerned. */
export interface NodeStatus {
  readonly initialized: () => MaybePromise<boolean>;
  /** Undefined while sealed. */
  readonly services: () => CoreServices | undefined;
  /** Another state has taken the place of the one that the services were made from, and new ones are on their way. */
  readonly replacing?: () => boolean;
  /** Routes `sys/` alone; all that a sealed node knows. */
  readonly sealedRouter: Router;
  readonly namespaces: Namespaces;
  readonly ha: () => HaState;
  /** Resolves when the HA state may have changed, at the latest after `waitMs` milliseconds. */
  readonly haChange: (waitMs: number) => Promise<void>;
}
