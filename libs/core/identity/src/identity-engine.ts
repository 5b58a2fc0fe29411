import type { EngineType } from '@coffer/sdk';
import type { Router } from '@coffer/core-api';
import { entityAliasPaths } from './entity-alias.path.ts';
import { entityPaths } from './entity.path.ts';
import type { IdentityService } from './identity-service.ts';

/** The engine at `identity/`, once. What it keeps belongs to the service: logins and policies ask for it, too. */
export function createIdentityEngine(deps: {
  readonly service: () => IdentityService;
  readonly router: () => Router;
}): EngineType<null> {
  return {
    help: {
      synopsis: 'Entities, and the aliases by which auth methods know them.',
      description: 'An entity is made at the first login of an alias, or here. Always mounted at identity/.',
    },
    paths: [...entityPaths(deps.service), ...entityAliasPaths(deps)],
    create: () => null,
  };
}
