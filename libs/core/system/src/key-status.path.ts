import { definePath, field, badRequest } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { formatDuration } from '@coffer/kernel';
import type { Barrier } from '@coffer/barrier';
import {
  MAX_OPERATIONS_HIGHEST,
  MAX_OPERATIONS_LOWEST,
  ROTATION_CONFIG_KEY,
  ROTATION_DEFAULTS,
} from './barrier-rotation.ts';
import type { RotationConfig } from './barrier-rotation.ts';

/** The shortest interval of rotations by time, in seconds; 0 turns them off. */
const INTERVAL_MIN_SECONDS = 24 * 3600;

async function configOf({ view }: RequestContext): Promise<RotationConfig> {
  return (await view.getJson<RotationConfig>(ROTATION_CONFIG_KEY)) ?? ROTATION_DEFAULTS;
}

/** `sys/key-status`, `sys/rotate`, `sys/rotate/config`, and the newer names `sys/rotate/keyring…` of the latter two. */
export function keyStatusPaths(barrier: () => Barrier): readonly PathDeclaration<unknown>[] {
  return [
    definePath('key-status', {
      fields: {},
      help: { synopsis: 'The term and age of the key that new data is encrypted with.' },
      read: {
        summary: 'The newest key',
        runs: 'active',
        handler: (): Response => {
          const { term, installTimeMs, encryptions } = barrier().keyStatus();
          return {
            alsoAtTopLevel: true,
            data: { term, install_time: new Date(installTimeMs).toISOString(), encryptions },
          };
        },
      },
    }),
    ...['rotate', 'rotate/keyring'].map((pattern) => rotatePath(pattern, barrier)),
    ...['rotate/config', 'rotate/keyring/config'].map(rotateConfigPath),
  ];
}

function rotatePath(pattern: string, barrier: () => Barrier): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: {},
    help: {
      synopsis: 'Adds a new encryption key.',
      description:
        'New data is encrypted with the new key; what is stored is still read with the key that it was written with.',
    },
    sudo: true,
    update: {
      summary: 'Rotate the encryption key',
      handler: async (): Promise<undefined> => {
        await barrier().rotate();
        return undefined;
      },
    },
  });
}

function rotateConfigPath(pattern: string): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: {
      max_operations: field.int('The number of encryption operations after which the key is rotated.'),
      interval: field.duration(
        'How long a key is used before it is rotated; 0 for no limit, otherwise at least 24 hours.',
      ),
      enabled: field.bool('Whether keys are rotated without being asked to.'),
    },
    help: { synopsis: 'When the encryption key is rotated by itself.' },
    read: {
      summary: 'The settings',
      handler: async (_: unknown, _fields, context): Promise<Response> => {
        const { maxOperations, intervalSeconds, enabled } = await configOf(context);
        return {
          data: {
            max_operations: maxOperations,
            interval: intervalSeconds === 0 ? 0 : formatDuration(intervalSeconds),
            enabled,
          },
        };
      },
    },
    update: {
      summary: 'Change the settings',
      handler: async (_: unknown, fields, context): Promise<undefined> => {
        const before = await configOf(context);
        const after: RotationConfig = {
          maxOperations: fields.max_operations ?? before.maxOperations,
          intervalSeconds: fields.interval ?? before.intervalSeconds,
          enabled: fields.enabled ?? before.enabled,
        };
        if (after.maxOperations < MAX_OPERATIONS_LOWEST || after.maxOperations > MAX_OPERATIONS_HIGHEST) {
          throw badRequest(
            `max_operations must be in the range [${String(MAX_OPERATIONS_LOWEST)},${String(MAX_OPERATIONS_HIGHEST)}]`,
          );
        }
        if (after.intervalSeconds !== 0 && after.intervalSeconds < INTERVAL_MIN_SECONDS) {
          throw badRequest(`interval must be greater or equal to ${formatDuration(INTERVAL_MIN_SECONDS)}`);
        }
        context.view.putJson(ROTATION_CONFIG_KEY, after);
        return undefined;
      },
    },
  });
}
