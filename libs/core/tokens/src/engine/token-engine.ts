import { definePath } from '@coffer/sdk';
import type { EngineType, PathDeclaration, Response } from '@coffer/sdk';
import { createPaths } from './create.path.ts';
import type { TokenEngineDeps } from './deps.ts';
import { lookupPaths } from './lookup.path.ts';
import { renewPaths } from './renew.path.ts';
import { revokePaths } from './revoke.path.ts';
import { rolePath, rolesPath } from './roles.path.ts';

function tidyPath(deps: TokenEngineDeps): PathDeclaration<null> {
  let underWay = false;
  const run = async (): Promise<void> => {
    try {
      const result = await deps.tokens().tidy();
      deps.log.info('tokens were tidied', { ...result });
    } catch (error) {
      deps.log.warn('tokens could not be tidied', { error });
    } finally {
      underWay = false;
    }
  };
  return definePath('tidy', {
    fields: {},
    help: { synopsis: 'Removes what tokens left behind.' },
    update: {
      summary: 'Tidy',
      handler: (): Response => {
        if (underWay) return { warnings: ['Tidy operation already in progress.'] };
        underWay = true;
        void run();
        return {
          status: 202,
          warnings: ['Tidy operation successfully started. What it finds is told in the log of the server.'],
        };
      },
    },
  });
}

/** The auth method `token`: there by itself at `auth/token/`, once. */
export function createTokenEngine(deps: TokenEngineDeps): EngineType<null> {
  return {
    help: {
      synopsis: 'Tokens: what every request is made with.',
      description: 'Makes, shows, renews and revokes tokens. Always mounted at auth/token/.',
    },
    paths: [
      ...createPaths(deps),
      ...lookupPaths(deps),
      ...renewPaths(deps),
      ...revokePaths(deps),
      rolesPath,
      rolePath,
      tidyPath(deps),
    ],
    create: () => null,
  };
}
