import { ApiError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { parseKeyValues } from '../key-values.ts';

const many = Number.POSITIVE_INFINITY;
const clean = (path: string): string => path.replace(/^\/+/, '').replace(/\/+$/, '');

/** A 404 with data or warnings is an answer, too. */
export async function orMissing(work: Promise<ApiResponse | undefined>): Promise<ApiResponse | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      const { body } = error;
      return body && (body.data || (body.warnings && body.warnings.length > 0)) ? body : undefined;
    }
    throw error;
  }
}

function missing({ print }: CommandContext, path: string): number {
  print.error(`No value found at ${path}`);
  return 2;
}

const read: Command = {
  name: 'read',
  synopsis: 'Read data and retrieves secrets',
  usage: '[options] PATH',
  help: 'Reads data from the server at the given path.\n\n    $ vault read secret/my-secret',
  http: true,
  output: 'field',
  arguments: { min: 1, max: many, text: '1' },
  async run(context) {
    const [path = '', ...pairs] = context.args;
    const query = Object.fromEntries(
      Object.entries(parseKeyValues(pairs, context.readInput)).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.map(String) : String(value),
      ]),
    );
    const { client, print } = context;
    if (print.format === 'raw') {
      const answer = await client.sendRaw({ method: 'GET', path: clean(path), query });
      print.text(answer.body.toString('utf8'));
      return answer.status >= 400 ? 2 : 0;
    }
    const answer = await doing(
      `Error reading ${clean(path)}`,
      orMissing(client.send({ method: 'GET', path: clean(path), query })),
    );
    return answer ? print.secret(answer) : missing(context, clean(path));
  },
};

const list: Command = {
  name: 'list',
  synopsis: 'List data or secrets',
  usage: '[options] PATH',
  help: 'Lists data from the server at the given path.\n\n    $ vault list secret/metadata/',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  run: (context) => listAt(context, context.args[0] ?? '', 'list'),
};

const scan: Command = {
  ...list,
  name: 'scan',
  synopsis: 'Scan (recursively list) data or secrets',
  help: 'Lists data from the server at and below the given path.',
  run: (context) => listAt(context, context.args[0] ?? '', 'scan'),
};

/** @returns the exit code */
export async function listAt(context: CommandContext, at: string, kind: 'list' | 'scan'): Promise<number> {
  const { client, print } = context;
  const path = clean(at);
  const query = { [kind]: 'true' };
  const answer = await doing(`Error listing ${path}`, orMissing(client.send({ method: 'GET', path, query })));
  if (!answer) {
    if (print.format === 'json') {
      print.line('{}');
      return 2;
    }
    return missing(context, path);
  }
  if (answer.wrap_info) return print.secret(answer);
  if (!answer.data || !Array.isArray(answer.data.keys)) {
    print.warnings(answer);
    print.error(`No entries found at ${path}`);
    return 2;
  }
  return print.keys(answer, path);
}

async function writeAt(context: CommandContext, method: 'PUT' | 'PATCH', verb: string): Promise<number> {
  const { client, flags, print } = context;
  const [at = '', ...pairs] = context.args;
  const path = clean(at);
  if (pairs.length === 0 && !flags.bool('force')) throw new UsageError('Must supply data or use -force');
  const body = parseKeyValues(pairs, context.readInput);
  const answer = await doing(
    `Error ${verb} data to ${path}`,
    client.send({ method, path, body: pairs.length === 0 && method === 'PUT' ? undefined : body }),
  );
  if (!answer) {
    if (print.format === 'table' && print.field === undefined) print.line(`Success! Data written to: ${path}`);
    return 0;
  }
  return print.secret(answer);
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
  run: (context) => writeAt(context, 'PUT', 'writing'),
};

const patch: Command = {
  ...write,
  name: 'patch',
  synopsis: 'Patch data, configuration, and secrets',
  help: 'Merges data into what is at the given path.\n\n    $ vault patch pki/roles/example allow_localhost=false',
  run: (context) => writeAt(context, 'PATCH', 'patching'),
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
    const path = clean(at);
    const query = Object.fromEntries(
      Object.entries(parseKeyValues(pairs, context.readInput)).map(([key, value]) => [key, String(value)]),
    );
    const answer = await doing(`Error deleting ${path}`, client.send({ method: 'DELETE', path, query }));
    if (answer) return print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
};

export const genericCommands: readonly Command[] = [read, write, list, scan, remove, patch];
