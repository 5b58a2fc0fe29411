import { definePath, listResponse } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { versionsOf } from './version-history.ts';

/** `sys/version-history`. */
export const versionHistoryPaths: readonly PathDeclaration<unknown>[] = [
  definePath('version-history', {
    fields: {},
    help: { synopsis: 'The versions that this cluster has run, oldest first.' },
    list: {
      summary: 'The versions',
      handler: async (_: unknown, _fields, { view }): Promise<Response | undefined> => {
        const versions = await versionsOf(view);
        const info = Object.fromEntries(
          versions.map(({ version, installedMs, previous, buildDate }) => [
            version,
            {
              previous_version: previous,
              timestamp_installed: new Date(installedMs).toISOString(),
              build_date: buildDate,
              commit_date: buildDate,
            },
          ]),
        );
        return listResponse(
          versions.map(({ version }) => version),
          info,
        );
      },
    },
  }),
];
