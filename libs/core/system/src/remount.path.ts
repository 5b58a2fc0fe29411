import { badRequest, definePath, field } from '@coffer/sdk';
import type { NamespaceRef, PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { MoveEnd, Mounts } from '@coffer/core-api';

function end(namespace: NamespaceRef, text: string): MoveEnd {
  const plain = text.replace(/^\/+/, '');
  return plain.startsWith('auth/')
    ? { table: 'auth', namespace, path: plain.slice(5) }
    : { table: 'secret', namespace, path: plain };
}

/** `sys/remount`: moves a mount with its data; goes on in the background and is asked for by id. */
export function remountPaths(mounts: () => Mounts): readonly PathDeclaration<unknown>[] {
  return [
    definePath('remount', {
      fields: {
        from: field.string('Where it is mounted.', { default: '' }),
        to: field.string('Where it is to be mounted.', { default: '' }),
      },
      help: { synopsis: 'Moves a mount.' },
      sudo: true,
      update: {
        summary: 'Move a mount',
        handler: async (_: unknown, { from, to }, context: RequestContext): Promise<Response> => {
          if (from === '' || to === '') throw badRequest(`both 'from' and 'to' path must be specified as a string`);
          const { namespace } = context.request;
          const id = await mounts().move(end(namespace, from), end(namespace, to));
          const warnings = [`The move of the mount has been queued; sys/remount/status/${id} tells how far it is`];
          return { alsoAtTopLevel: true, data: { migration_id: id }, warnings };
        },
      },
    }),
    definePath('remount/status/:migration_id', {
      fields: { migration_id: field.name('The id that the move was given.') },
      help: { synopsis: 'Tells how far a move is.' },
      read: {
        summary: 'The state of a move',
        runs: 'active',
        handler: async (_: unknown, { migration_id: id }): Promise<Response | undefined> => {
          const move = await mounts().moveStatus(id);
          if (!move) return undefined;
          return {
            data: {
              migration_id: id,
              migration_info: { source_mount: move.sourceMount, target_mount: move.targetMount, status: move.status },
            },
          };
        },
      },
    }),
  ];
}
