import type { Barrier } from '@coffer/barrier';
import type { EngineType, MountContext, PathDeclaration } from '@coffer/sdk';
import { ROTATION_CONFIG_KEY, ROTATION_DEFAULTS, rotateIfDue } from './barrier-rotation.ts';
import type { RotationConfig } from './barrier-rotation.ts';
import { recordVersion } from './version-history.ts';

/** What the system mount does on the active node without being asked to. */
export interface SystemDuties {
  /** Whose key is rotated when it is due. */
  readonly barrier: () => Barrier;
  /** What `sys/version-history` remembers. */
  readonly version: string;
  readonly buildDate: string;
}

/**
 * The `sys/` mount. Its paths speak for the services that declare them. The same engine serves sealed nodes, which reach
 * only the paths declared `whileSealed`; these use no instance.
 */
export function systemEngine(
  paths: readonly PathDeclaration<unknown>[],
  duties?: SystemDuties,
): EngineType<MountContext> {
  return {
    help: {
      synopsis: 'The system backend: mounts, policies, leases, seal, status.',
      description: 'Always mounted at sys/; it cannot be moved, tuned or removed.',
    },
    paths,
    create: (mount) => mount,
    ...(duties
      ? {
          start: (mount): Promise<void> => mount.transact((view) => recordVersion(view, duties, mount.clock.nowMs())),
          periodic: async (mount): Promise<void> => {
            const config = await mount.view.getJson<RotationConfig>(ROTATION_CONFIG_KEY);
            await rotateIfDue(duties.barrier(), config ?? ROTATION_DEFAULTS, mount.clock.nowMs());
          },
        }
      : {}),
  };
}
