import type { EngineType, PathDeclaration } from '@coffer/sdk';

/**
 * The `sys/` mount. It holds no state of its own: its paths speak for the services that declare them. The same engine
 * serves sealed nodes, which reach only the paths declared `whileSealed`.
 */
export function systemEngine(paths: readonly PathDeclaration<unknown>[]): EngineType<null> {
  return {
    help: {
      synopsis: 'The system backend: mounts, policies, leases, seal, status.',
      description: 'Always mounted at sys/; it cannot be moved, tuned or removed.',
    },
    paths: paths as readonly PathDeclaration<null>[],
    create: () => null,
  };
}
