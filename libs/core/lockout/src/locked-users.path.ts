import { definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { LockoutService } from './lockout-service.ts';

/** `sys/locked-users`. */
export function lockedUserPaths(lockout: () => LockoutService): readonly PathDeclaration<unknown>[] {
  return [
    definePath('locked-users', {
      fields: { mount_accessor: field.string('Only users of this mount.') },
      help: { synopsis: 'Lists the users that are locked out.' },
      read: {
        summary: 'Locked users',
        runs: 'active',
        handler: async (_: unknown, { mount_accessor: accessor }): Promise<Response> => {
          const locked = await lockout().locked(accessor);
          const accessors = accessor === undefined ? [...locked.keys()].sort() : [accessor];
          const mounts = accessors.map((mount) => {
            const users = locked.get(mount) ?? [];
            return { mount_accessor: mount, counts: users.length, alias_identifiers: users.length > 0 ? users : null };
          });
          const total = mounts.reduce((sum, { counts }) => sum + counts, 0);
          return {
            data: {
              by_namespace: [{ namespace_id: 'root', namespace_path: '', counts: total, mount_accessors: mounts }],
              total,
            },
          };
        },
      },
    }),
    definePath('locked-users/:mount_accessor/unlock/:alias_identifier', {
      fields: {
        mount_accessor: field.name('Accessor of the auth mount.'),
        alias_identifier: field.name('Name of the user.'),
      },
      help: { synopsis: 'Lets a locked user log in again.' },
      update: {
        summary: 'Unlock a user',
        handler: async (_: unknown, fields): Promise<undefined> => {
          await lockout().unlock(fields.mount_accessor, fields.alias_identifier);
        },
      },
    }),
  ];
}
