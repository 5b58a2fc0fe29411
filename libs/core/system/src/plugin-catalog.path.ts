import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { PluginSource } from '@coffer/core-api';
import { failedWith } from './one-error.ts';

type Kind = 'secret' | 'auth';
const KINDS: readonly Kind[] = ['auth', 'secret'];

const SEMANTIC_VERSION = /^v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

export interface CatalogDeps {
  readonly plugins: PluginSource;
  readonly version: string;
}

/** `sys/plugins/catalog…`: what can be mounted. All is built in; nothing can be registered while running. */
export function pluginCatalogPaths({ plugins, version }: CatalogDeps): readonly PathDeclaration<unknown>[] {
  const running = `v${version}+builtin.coffer`;
  const namesOf = (kind: Kind): readonly string[] =>
    plugins
      .list(kind)
      .filter((info) => !info.singleton)
      .flatMap(({ names }) => names.slice(0, 1))
      .sort();
  const kindOf = (text: string): Kind | undefined => KINDS.find((kind) => kind === text);
  return [
    definePath('plugins/catalog', {
      fields: {},
      help: { synopsis: 'The secrets engines and auth methods that can be mounted.' },
      read: {
        summary: 'All plugins',
        runs: 'local',
        handler: (): Response => ({
          alsoAtTopLevel: true,
          data: {
            auth: namesOf('auth'),
            database: [],
            secret: namesOf('secret'),
            detailed: KINDS.flatMap((type) =>
              namesOf(type).map((name) => ({
                name,
                type,
                builtin: true,
                deprecation_status: 'supported',
                version: running,
              })),
            ),
          },
        }),
      },
    }),
    definePath('plugins/catalog/:type', {
      fields: { type: field.name('"secret", "auth" or "database".') },
      help: { synopsis: 'The plugins of one type.' },
      sudo: true,
      read: {
        summary: 'Nothing: plugins are asked for by type and name',
        runs: 'local',
        handler: (_: unknown, { type }): Response => {
          if (kindOf(type) || type === 'database') throw new RequestError('unsupported-operation');
          return {
            status: 200,
            warnings: [`A plugin is asked for by its type, too: sys/plugins/catalog/<type>/${type}`],
          };
        },
      },
      list: {
        summary: 'The plugins of a type',
        runs: 'local',
        handler: (_: unknown, { type }): Response => {
          const kind = kindOf(type);
          if (kind) return { alsoAtTopLevel: true, data: { keys: namesOf(kind) } };
          if (type === 'database') return { alsoAtTopLevel: true, data: { keys: [] } };
          throw new RequestError('unsupported-operation');
        },
      },
    }),
    definePath('plugins/catalog/:type/:name', {
      fields: {
        type: field.name('"secret", "auth" or "database".'),
        name: field.name('The name of the plugin.'),
        sha256: field.string('The hash of the program.', { default: '' }),
        command: field.string('How to run the program.', { default: '' }),
        version: field.string('Its semantic version.', { default: '' }),
      },
      help: { synopsis: 'One plugin.' },
      sudo: true,
      read: {
        summary: 'One plugin',
        runs: 'local',
        handler: (_: unknown, { type, name }): Response | undefined => {
          const kind = kindOf(type);
          if (!kind || !namesOf(kind).includes(name)) return undefined;
          return {
            data: {
              name,
              args: null,
              builtin: true,
              command: '',
              declarative: false,
              deprecation_status: 'supported',
              oci: false,
              sha256: '',
              version: running,
            },
          };
        },
      },
      update: {
        summary: 'Refused: programs are not run',
        handler: (_: unknown, fields): never => refuseRegistration(fields),
      },
      delete: { summary: 'Remove a registered plugin, of which there is none', handler: (): undefined => undefined },
    }),
  ];
}

/** Bad requests are told as such; good ones, that there is nowhere to load programs from. */
function refuseRegistration(fields: {
  readonly sha256: string;
  readonly command: string;
  readonly version: string;
}): never {
  if (fields.version !== '' && !SEMANTIC_VERSION.test(fields.version)) {
    throw badRequest(
      `version "${fields.version}" is not a valid semantic version: malformed version: ${fields.version}`,
    );
  }
  if (fields.sha256 === '') throw badRequest('missing SHA-256 value');
  if (fields.command === '') throw badRequest('missing command value');
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(fields.sha256)) throw badRequest('Could not decode SHA-256 value from Hex');
  throw failedWith('could not set plugin, plugin directory is not configured');
}
