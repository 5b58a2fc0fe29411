import type { Log } from '@coffer/kernel';
import type { Identity, PolicyStore, Router } from '@coffer/core-api';
import type { TokenService } from '../token-service.ts';

/** What the paths below `auth/token/` ask of the core; functions, since the engine is declared before they are made. */
export interface TokenEngineDeps {
  readonly tokens: () => TokenService;
  readonly policies: () => Pick<PolicyStore, 'get'>;
  readonly identity: () => Pick<Identity, 'entityForLogin' | 'policiesOf'>;
  readonly router: () => Router;
  readonly log: Log;
}
