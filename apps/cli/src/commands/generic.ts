import { ApiError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing, failure } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import type { FlagSpec } from '../flags.ts';
import { parseKeyValues } from '../key-values.ts';
import { goValue } from '../output/go-value.ts';

const many = Number.POSITIVE_INFINITY;

/** Without spaces and slashes around it. */
export const cleanPath = (path: string): string => path.trim().replace(/^\/+/, '').replace(/\/+$/, '');

/** With a slash behind it. */
export function withSlash(path: string): string {
  const clean = path.trim();
  return clean === '' || clean.endsWith('/') ? clean : `${clean}/`;
}

/** The path of a mount or device that is there, with a slash behind it. */
export const mountPath = (path: string): string => withSlash(cleanPath(path));

/** A 404 with data or warnings is an answer, too. */
export async function orMissing(work: Promise<ApiResponse | undefined>): Promise<ApiResponse | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      const { body } = error;
      return body && ((body.data && Object.keys(body.data).length > 0) || (body.warnings && body.warnings.length > 0))
        ? body
        : undefined;
    }
    throw error;
  }
}

/** Nothing lies at a path. */
export const noValue = (path: string): CommandError => new CommandError(`No value found at ${path}`);

/** As `doing`, for what writes: the answer to a write may carry data beside its refusal, which is shown as well. */
export async function writing<T>({ print }: CommandContext, what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw failure(what, error);
    const { body } = error;
    print.error(`${what}: ${error.message}`);
    if (body && (body.data || (body.warnings && body.warnings.length > 0))) print.secret(body);
    throw new CommandError('');
  }
}

/** Values of data on the command line as parameters of a query. */
function queryOf(context: CommandContext, pairs: readonly string[]): Record<string, string | readonly string[]> {
  return Object.fromEntries(
    Object.entries(parseKeyValues(pairs, context.readInput)).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.map(goValue) : goValue(value),
    ]),
  );
}

const read: Command = {
  name: 'read',
  synopsis: 'Read data and retrieves secrets',
  usage: '[options] PATH',
  help: 'Reads data from the server at the given path.\n\n    $ vault read secret/my-secret',
  http: true,
  output: 'field',
  raw: true,
  arguments: { min: 1, max: many, text: '1' },
  async run(context) {
    const [at = '', ...pairs] = context.args;
    const path = cleanPath(at);
    const query = queryOf(context, pairs);
    const { client, print } = context;
    if (print.format === 'raw') {
      const answer = await doing(`Error reading: ${path}`, client.transfer({ method: 'GET', path, query }));
      print.text(`${answer.body.toString('utf8')}\n`);
      return 0;
    }
    const answer = await doing(`Error reading ${path}`, orMissing(client.send({ method: 'GET', path, query })));
    if (!answer) throw noValue(path);
    return print.secret(answer);
  },
};

const pageFlags: readonly FlagSpec[] = [
  { name: 'after', kind: 'text', value: 'string', help: 'The last name that was seen: go on with the one after it.' },
  { name: 'limit', kind: 'int', value: 'int', help: 'How many names at most; all if left out.' },
  { name: 'detailed', kind: 'bool', help: 'Print what the server tells of each name.' },
];

const list: Command = {
  name: 'list',
  synopsis: 'List data or secrets',
  usage: '[options] PATH',
  help: 'Lists data from the server at the given path.\n\n    $ vault list secret/metadata/\n\nSome paths list page by page:\n\n    $ vault list -after=last -limit=50 pki/certs',
  http: true,
  output: 'format',
  flags: pageFlags,
  arguments: { min: 1, max: 1 },
  run: (context) => listAt(context, cleanPath(context.args[0] ?? ''), 'list'),
};

const scan: Command = {
  ...list,
  name: 'scan',
  synopsis: 'Scan (recursively list) data or secrets',
  help: 'Lists data from the server at and below the given path.\n\n    $ vault scan secret/metadata/',
  run: (context) => listAt(context, cleanPath(context.args[0] ?? ''), 'scan'),
};

/**
 * @param path clean
 * @param keysOnly an answer without data is none, whatever it warns of
 * @returns the exit code
 */
export async function listAt(
  context: CommandContext,
  path: string,
  kind: 'list' | 'scan',
  keysOnly = false,
): Promise<number> {
  const { client, flags, print } = context;
  const [after, limit] = [flags.text('after') ?? '', flags.int('limit') ?? -1];
  const query: Record<string, string> = {
    [kind]: 'true',
    ...(after !== '' || limit > 0 ? { after, limit: String(limit) } : {}),
  };
  const what = kind === 'list' ? 'listing' : 'scanning';
  const answer = await doing(`Error ${what} ${path}`, orMissing(client.send({ method: 'GET', path, query })));
  if (answer?.wrap_info?.ttl) return print.secret(answer);
  if (print.format !== 'table' && !Array.isArray(answer?.data?.keys)) {
    if (print.format === 'pretty') print.error('Could not parse output: cannot use the pretty formatter for this type');
    else print.value({});
    return 2;
  }
  if (!answer || (keysOnly && !answer.data)) throw noValue(path);
  if (!answer.data) return print.secret(answer);
  if (!Array.isArray(answer.data.keys)) throw new CommandError(`No entries found at ${path}`);
  return flags.bool('detailed') ? print.detailedKeys(answer) : print.keys(answer);
}

async function writeAt(context: CommandContext, method: 'PUT' | 'PATCH'): Promise<number> {
  const { client, flags, print } = context;
  const [at = '', ...pairs] = context.args;
  if (pairs.length === 0 && !flags.bool('force')) throw new UsageError('Must supply data or use -force');
  const path = cleanPath(at);
  const body = pairs.length === 0 ? null : parseKeyValues(pairs, context.readInput);
  const answer = await writing(context, `Error writing data to ${path}`, client.send({ method, path, body }));
  if (answer) return print.secret(answer);
  if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
  return 0;
}

const force = { name: 'force', kind: 'bool', help: 'Write without any data.', aliases: ['f'] } as const;

const write: Command = {
  name: 'write',
  synopsis: 'Write data, configuration, and secrets',
  usage: '[options] PATH [DATA K=V...]',
  help: 'Writes data to the server at the given path. Data is given as key=value, key=@file, key=- or JSON by @file or -.\n\n    $ vault write auth/userpass/users/ann password=secret',
  http: true,
  output: 'field',
  flags: [force],
  arguments: { min: 1, max: many, text: '1' },
  run: (context) => writeAt(context, 'PUT'),
};

const patch: Command = {
  ...write,
  name: 'patch',
  synopsis: 'Patch data, configuration, and secrets',
  help: 'Merges data into what is at the given path.\n\n    $ vault patch pki/roles/example allow_localhost=false',
  run: (context) => writeAt(context, 'PATCH'),
};

const remove: Command = {
  name: 'delete',
  synopsis: 'Delete secrets and configuration',
  usage: '[options] PATH',
  help: 'Deletes data from the server at the given path.\n\n    $ vault delete secret/my-secret',
  http: true,
  output: 'field',
  arguments: { min: 1, max: many },
  async run(context) {
    const { client, print } = context;
    const [at = '', ...pairs] = context.args;
    const path = cleanPath(at);
    const query = queryOf(context, pairs);
    const answer = await writing(context, `Error deleting ${path}`, client.send({ method: 'DELETE', path, query }));
    if (answer) return print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
};

export const genericCommands: readonly Command[] = [read, write, list, scan, remove, patch];
