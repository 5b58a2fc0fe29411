import { definePath, field } from '@coffer/sdk';
import type { EngineType, MountContext, PathDeclaration, Response } from '@coffer/sdk';
import { configPath } from './config.path.ts';
import { dataPath } from './data.path.ts';
import { detailedMetadataPath, metadataPath } from './metadata.path.ts';
import { subkeysPath } from './subkeys.path.ts';
import { upgradeToVersion2 } from './upgrade.ts';
import { deletePath, destroyPath, undeletePath } from './versions.path.ts';

/** KV version 2: each write makes a version. */
export interface Kv2 {
  readonly mount: MountContext;
}

/** Clients that speak version 1 to a mount of version 2 are told what to do instead. */
const invalidPath = definePath(':path*', {
  fields: { path: field.name('A path of version 1.') },
  help: { synopsis: 'Paths of version 1, which this mount does not serve.' },
  hidden: true,
  arbitraryFields: true,
  read: {
    summary: 'Tells where the secret is',
    runs: 'any',
    handler: (_: Kv2, { path }) => elsewhere(path, 'data', 'reads'),
  },
  list: {
    summary: 'Tells where the list is',
    runs: 'any',
    handler: (_: Kv2, { path }) => elsewhere(path, 'metadata', 'lists'),
  },
  scan: {
    summary: 'Tells where the list is',
    runs: 'any',
    handler: (_: Kv2, { path }) => elsewhere(path, 'metadata', 'scans'),
  },
  patch: { summary: 'Tells where to patch', handler: (_: Kv2, { path }) => elsewhere(path, 'data', 'patches') },
  update: { summary: 'Tells where to write', handler: (_: Kv2, { path }) => elsewhere(path, 'data', 'writes') },
  delete: { summary: 'Tells where to delete', handler: (_: Kv2, { path }) => elsewhere(path, 'data', 'deletes') },
});

type Handler = NonNullable<PathDeclaration<Kv2>['operations']['read']>['handler'];

/**
 * `data` without a slash behind it is no path of version 2: who asks there is told where to ask. Listing adds the slash.
 */
function belowSlash(declared: PathDeclaration<Kv2>): PathDeclaration<Kv2> {
  const [part = ''] = declared.pattern.split('/');
  const verbs = { read: 'reads', update: 'writes', patch: 'patches', delete: 'deletes' } as const;
  const changed = Object.entries(verbs).map(([operation, verb]) => {
    const own = declared.operations[operation as keyof typeof verbs];
    if (!own) return [operation, undefined];
    const handler: Handler = (engine, fields, context) =>
      fields.path === '' && !context.request.path.endsWith('/')
        ? elsewhere(part, 'data', verb)
        : own.handler(engine, fields, context);
    return [operation, { ...own, handler }];
  });
  const operations = { ...declared.operations, ...Object.fromEntries(changed.filter(([, own]) => own)) };
  return { ...declared, operations: operations as PathDeclaration<Kv2>['operations'] };
}

function elsewhere(path: string, part: string, verb: string): Response {
  return {
    status: 404,
    warnings: [
      `Invalid path for a versioned K/V secrets engine. Version 2 ${verb} use '${part}/${path}' below the mount; see the API docs for the paths of version 2.`,
    ],
  };
}

export const kv2Type: EngineType<Kv2> = {
  help: {
    synopsis: 'Key/value store, version 2.',
    description:
      'Keeps the versions of what is written under any path; with check-and-set, soft deletion and metadata.',
  },
  paths: [
    ...[dataPath, metadataPath, deletePath, undeletePath, destroyPath, subkeysPath].map(belowSlash),
    detailedMetadataPath,
    configPath,
    invalidPath,
  ],
  create: (mount) => ({ mount }),
  start: ({ mount }) => upgradeToVersion2(mount),
};
