import { RequestError } from '@coffer/sdk';
import type { Field, PathDeclaration, Response } from '@coffer/sdk';
import type { LiveMount, Route } from '@coffer/core-api';
import { openApiDocument } from './openapi.ts';
import type { OpenApiSource } from './openapi.ts';
import { routeText } from './path-text.ts';

/** The words that Vault has for kinds of fields. */
const TYPE_WORDS: Readonly<Record<Field<unknown>['kind'], string>> = {
  string: 'string',
  'lower-case-string': 'lowercase string',
  name: 'string',
  int: 'int',
  float: 'float',
  bool: 'bool',
  duration: 'duration (sec)',
  'signed-duration': 'signed duration (sec)',
  'comma-strings': 'slice',
  'comma-ints': 'slice',
  strings: 'slice',
  slice: 'slice',
  map: 'map',
  'key-values': 'keypair',
  time: 'time',
  header: 'header',
  any: 'any',
};

const indent = (text: string, by: string): string =>
  text
    .split('\n')
    .map((line) => by + line)
    .join('\n');

/** Help on one path, or on a mount as a whole, in Vault's layout: for operation `help`. @throws RequestError `unsupported-path` */
export function describeHelp(route: Route, version = ''): Response {
  const { mount, relativePath, path } = route;
  if (relativePath === '' || relativePath === '/') return answer(rootHelp(mount), mount, mount.type.paths, version);
  if (!path) throw new RequestError('unsupported-path');
  return answer(pathHelp(path, relativePath), mount, [path], version);
}

function answer(help: string, mount: LiveMount, paths: readonly PathDeclaration<unknown>[], version: string): Response {
  const openapi = openApiDocument(version, [{ prefix: '', tag: tagOf(mount), paths }]);
  return { bare: true, data: { help, openapi, see_also: null } };
}

/** The part of the API that a mount belongs to. */
export function tagOf({ prefix }: Pick<LiveMount, 'prefix'>): OpenApiSource['tag'] {
  if (prefix === 'sys/') return 'system';
  if (prefix === 'identity/') return 'identity';
  return prefix.startsWith('auth/') ? 'auth' : 'secrets';
}

function pathHelp(path: PathDeclaration<unknown>, relativePath: string): string {
  const fields = Object.entries(path.fields).sort(([a], [b]) => (a < b ? -1 : 1));
  const parameters = fields.map(([name, field]) => {
    const type = `${name} (${TYPE_WORDS[field.kind]})`;
    return `    ${type}\n\n${indent((field.deprecated ? '(DEPRECATED) ' : '') + field.description, '        ')}\n`;
  });
  return [
    `Request:        ${relativePath}`,
    `Matching Route: ${routeText(path)}`,
    '',
    path.help.synopsis,
    '',
    ...(parameters.length > 0 ? ['## PARAMETERS', '', ...parameters] : []),
    '## DESCRIPTION',
    '',
    path.help.description ?? path.help.synopsis,
  ].join('\n');
}

function rootHelp({ type }: LiveMount): string {
  const routes = type.paths
    .filter((path) => !path.hidden)
    .map((path) => ({ route: routeText(path), synopsis: path.help.synopsis }))
    .sort((a, b) => (a.route < b.route ? -1 : 1));
  const { synopsis, description } = type.help;
  return [
    '## DESCRIPTION',
    '',
    description === '' ? synopsis : `${synopsis}\n\n${description}`,
    '',
    '## PATHS',
    '',
    'These paths are served by this backend. To view help on one of them, ask for',
    'help on any path that fits its pattern. Which ones you may use is for the',
    'policies of your token to say.',
    '',
    ...routes.map(({ route, synopsis: line }) => `    ${route}\n        ${line}\n`),
  ].join('\n');
}
