import { badRequest, definePath } from '@coffer/sdk';
import type { BodyStream, OperationDeclaration, PathDeclaration, Response } from '@coffer/sdk';

/** What `sys/storage/raft/snapshot` asks of the node; only where the store is raft. */
export interface SnapshotOperations {
  /** The archive of the present state. It is sound as far as it comes; nothing is held once it has ended or was given up. */
  save(): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Puts the state of an archive in the place of the present one, on every node. Resolves when this node serves it, or
   * has sealed itself since the state is that of other keys.
   *
   * @param force also where the archive was sealed with other keys
   * @throws RequestError; nothing has changed then, unless it says that the outcome is unknown
   */
  restore(archive: BodyStream, force: boolean): Promise<void>;
}

const NO_FIELDS = {};

/** `sys/storage/raft/snapshot` and `…/snapshot-force`. */
export function raftSnapshotPaths(snapshots: SnapshotOperations): readonly PathDeclaration<unknown>[] {
  const restore = (force: boolean): OperationDeclaration<unknown, typeof NO_FIELDS> => ({
    summary: force ? 'Restore a snapshot, whatever keys it was sealed with' : 'Restore a snapshot',
    runs: 'active',
    handler: (_: unknown, _fields, { request }): Response => {
      const { bodyStream } = request;
      if (!bodyStream) throw badRequest('expected the archive of a snapshot as the body of the request');
      return {
        afterCommit: async () => {
          await snapshots.restore(bodyStream, force);
          return undefined;
        },
      };
    },
  });
  return [
    definePath('storage/raft/snapshot', {
      fields: NO_FIELDS,
      help: {
        synopsis: 'Saves and restores the state of the cluster.',
        description:
          'Reading gives an archive (tar, compressed by gzip) of the whole state, encrypted as it is stored. Writing such an archive puts the cluster back to it, on every node.',
      },
      // Who may put another state in the place of this one may do everything.
      sudo: ['update'],
      streamedBody: true,
      neverWrapped: true,
      rootNamespaceOnly: true,
      read: {
        summary: 'Save a snapshot',
        runs: 'active',
        handler: (): Response => ({
          afterCommit: async () => ({
            raw: {
              status: 200,
              contentType: 'application/gzip',
              body: await snapshots.save(),
              headers: { 'content-disposition': 'attachment; filename="raft.snap"' },
            },
          }),
        }),
      },
      update: restore(false),
    }),
    definePath('storage/raft/snapshot-force', {
      fields: NO_FIELDS,
      help: {
        synopsis: 'Restores a snapshot, whatever keys it was sealed with.',
        description:
          'Where its keys are other ones, every node seals itself and wants the shares of the snapshot’s cluster.',
      },
      sudo: true,
      streamedBody: true,
      neverWrapped: true,
      rootNamespaceOnly: true,
      update: restore(true),
    }),
  ];
}
