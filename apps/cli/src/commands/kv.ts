import { ApiError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import type { FlagSpec } from '../flags.ts';
import { parseKeyValues } from '../key-values.ts';
import { cell } from '../output/secret.ts';
import { heading, titledTable } from '../output/table.ts';
import { listAt, orMissing } from './generic.ts';
import { kvApiPath, locateKv } from './kv-mount.ts';

const many = Number.POSITIVE_INFINITY;
export const mountFlag: FlagSpec = {
  name: 'mount',
  kind: 'text',
  value: 'string',
  help: 'Path of the mount; otherwise the first part of the path.',
};
const versionFlag: FlagSpec = { name: 'version', kind: 'int', value: 'int', help: 'The version.' };
const versionsFlag: FlagSpec = {
  name: 'versions',
  kind: 'texts',
  value: 'string',
  help: 'The versions, separated by commas.',
};
const casFlag: FlagSpec = {
  name: 'cas',
  kind: 'int',
  value: 'int',
  help: 'The version that must be the current one; 0: there must be none.',
};

type Data = Readonly<Record<string, unknown>>;

function rowsOf(data: Data): readonly (readonly string[])[] {
  return Object.keys(data)
    .sort()
    .map((key) => [key, cell(key, data[key])]);
}

/** Metadata of a version; an empty deletion time is n/a. */
export function metadataTable(data: Data): string {
  return titledTable(['Key', 'Value'], rowsOf(data));
}

function printPath({ print }: CommandContext, title: string, path: string): void {
  print.line(`${heading(title, path)}\n${path}\n`);
}

/** What a write of version 2 answers. @returns the exit code */
function printWritten(context: CommandContext, answer: ApiResponse, path: string): number {
  const { print } = context;
  if (print.field !== undefined || print.format !== 'table' || answer.wrap_info) return print.secret(answer);
  printPath(context, 'Secret Path', path);
  print.warnings(answer);
  const below = metadataTable(answer.data ?? {});
  print.line(`${heading('Metadata', below)}\n${below}`);
  return 0;
}

const noValue = (path: string): CommandError => new CommandError(`No value found at ${path}`);

const put: Command = {
  name: 'kv put',
  synopsis: 'Sets or updates data in the KV store',
  usage: '[options] KEY [DATA]',
  help: 'Writes the data to the given path in the key-value store.\n\n    $ vault kv put -mount=secret foo bar=baz',
  http: true,
  output: 'field',
  flags: [mountFlag, casFlag],
  arguments: { min: 1, max: many, text: '>1' },
  async run(context) {
    const { client, flags, print } = context;
    const [key = '', ...pairs] = context.args;
    if (pairs.length === 0) throw new UsageError('Must supply data');
    const data = parseKeyValues(pairs, context.readInput);
    const at = await locateKv(context, key);
    const path = kvApiPath(at, 'data');
    const cas = flags.int('cas');
    const body = at.version === 2 ? { data, options: cas === undefined || cas < 0 ? {} : { cas } } : data;
    const answer = await doing(`Error writing data to ${path}`, client.send({ method: 'PUT', path, body }));
    if (answer) return at.version === 2 ? printWritten(context, answer, path) : print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
    return 0;
  },
};

const get: Command = {
  name: 'kv get',
  synopsis: 'Retrieves data from the KV store',
  usage: '[options] KEY',
  help: 'Retrieves the value from the key-value store at the given key name.\n\n    $ vault kv get -mount=secret foo\n\nTo view a version in time, specify the "-version" flag:\n\n    $ vault kv get -mount=secret -version=1 foo',
  http: true,
  output: 'field',
  flags: [mountFlag, versionFlag],
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { client, flags, print } = context;
    const at = await locateKv(context, context.args[0] ?? '');
    const path = kvApiPath(at, 'data');
    const version = flags.int('version');
    const query = at.version === 2 && version ? { version: String(version) } : {};
    const answer = await doing(`Error reading ${path}`, orMissing(client.send({ method: 'GET', path, query })));
    if (answer?.wrap_info && (print.field === undefined || at.version === 1)) return print.secret(answer);
    if (answer?.wrap_info) throw new CommandError(`No data found at ${path}`);
    if (!answer?.data) {
      if (answer) print.warnings(answer);
      throw noValue(path);
    }
    if (at.version === 1) return printV1(context, answer);
    return printV2(context, answer, path);
  },
};

function printV1({ print }: CommandContext, answer: ApiResponse): number {
  if (print.field !== undefined || print.format !== 'table' || answer.wrap_info) return print.secret(answer);
  print.warnings(answer);
  const below = titledTable(['Key', 'Value'], rowsOf(answer.data ?? {}));
  print.line(`${heading('Data', below)}\n${below}`);
  return 0;
}

function printV2(context: CommandContext, answer: ApiResponse, path: string): number {
  const { print } = context;
  const data = answer.data?.data as Data | null | undefined;
  const metadata = answer.data?.metadata as Data | null | undefined;
  if (print.field !== undefined) {
    if (!data) throw new CommandError(`No data found at ${path}`);
    if (Object.hasOwn(data, print.field)) return print.plainField(data[print.field]);
    return print.fieldOf(answer, print.field);
  }
  if (print.format !== 'table' || answer.wrap_info) return print.secret(answer);
  printPath(context, 'Secret Path', path);
  print.warnings(answer);
  if (metadata) {
    const below = metadataTable(metadata);
    print.line(`${heading('Metadata', below)}\n${below}`);
  }
  if (data) {
    const below = titledTable(['Key', 'Value'], rowsOf(data));
    print.line(`\n${heading('Data', below)}\n${below}`);
  }
  return 0;
}

const patch: Command = {
  name: 'kv patch',
  synopsis: 'Sets or updates data in the KV store without overwriting',
  usage: '[options] KEY [DATA]',
  help: 'Adds to or changes the data at the given path.\n\n    $ vault kv patch -mount=secret foo bar=baz',
  http: true,
  output: 'field',
  flags: [
    mountFlag,
    casFlag,
    { name: 'method', kind: 'text', value: 'string', help: 'How: "patch", or "rw" (read, then write).' },
    { name: 'remove-data', kind: 'texts', value: 'string', help: 'A key to remove; may be given several times.' },
  ],
  arguments: { min: 1, max: many, text: '>1' },
  async run(context) {
    const { client, flags } = context;
    const [key = '', ...pairs] = context.args;
    const removed = flags.texts('remove-data');
    if (pairs.length === 0 && removed.length === 0) throw new UsageError('Must supply data');
    const method = flags.text('method') ?? '';
    if (!['', 'patch', 'rw'].includes(method))
      throw new CommandError(`Unsupported method provided to -method flag: ${method}`);
    const data = {
      ...parseKeyValues(pairs, context.readInput),
      ...Object.fromEntries(removed.map((name) => [name, null])),
    };
    const at = await locateKv(context, key);
    const path = kvApiPath(at, 'data');
    if (at.version === 1) throw new CommandError('KV engine mount must be version 2 for patch support', 2);
    const cas = flags.int('cas');
    const options = cas === undefined || cas < 0 ? {} : { options: { cas } };
    if (method === 'rw') return readThenWrite(context, path, data, cas);
    try {
      const answer = await client.send({ method: 'PATCH', path, body: { data, ...options } });
      if (!answer) throw noValue(path);
      return printWritten(context, answer, path);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (method === '' && (error.status === 403 || error.status === 405))
        return readThenWrite(context, path, data, cas);
      throw new CommandError(`Error writing data to ${path}: ${error.message}`);
    }
  },
};

/** For those who may read and write, but not patch. */
async function readThenWrite(
  context: CommandContext,
  path: string,
  patchData: Data,
  cas: number | undefined,
): Promise<number> {
  const { client } = context;
  const before = await doing(`Error doing pre-read at ${path}`, orMissing(client.send({ method: 'GET', path })));
  const data = before?.data?.data as Data | null | undefined;
  const metadata = before?.data?.metadata as { readonly version?: number } | undefined;
  if (!data) throw noValue(path);
  const merged = new Map<string, unknown>(Object.entries(data));
  for (const [name, value] of Object.entries(patchData)) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  const expected = cas === undefined || cas < 0 ? (metadata?.version ?? 0) : cas;
  const answer = await doing(
    `Error writing data to ${path}`,
    client.send({ method: 'PUT', path, body: { data: Object.fromEntries(merged), options: { cas: expected } } }),
  );
  return answer ? printWritten(context, answer, path) : 0;
}

function versionsOf({ flags }: CommandContext): readonly number[] {
  const texts = flags
    .texts('versions')
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
  return texts.map((text) => {
    if (!/^\d+$/.test(text)) throw new UsageError(`invalid version "${text}"`);
    return Number(text);
  });
}

const remove: Command = {
  name: 'kv delete',
  synopsis: 'Deletes versions in the KV store',
  usage: '[options] PATH',
  help: 'Deletes the data for the given version and path; it can be undeleted.\n\n    $ vault kv delete -mount=secret foo',
  http: true,
  output: 'field',
  flags: [mountFlag, versionsFlag],
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { client, print } = context;
    const at = await locateKv(context, context.args[0] ?? '');
    const versions = versionsOf(context);
    const path = kvApiPath(at, 'data');
    const request =
      at.version === 2 && versions.length > 0
        ? ({ method: 'PUT', path: kvApiPath(at, 'delete'), body: { versions: versions.map(String) } } as const)
        : ({ method: 'DELETE', path } as const);
    const answer = await doing(`Error deleting ${path}`, client.send(request));
    if (answer) return print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
};

function versionsCommand(verb: 'undelete' | 'destroy', synopsis: string): Command {
  return {
    name: `kv ${verb}`,
    synopsis,
    usage: '[options] KEY',
    help: `${synopsis}.\n\n    $ vault kv ${verb} -mount=secret -versions=3 foo`,
    http: true,
    output: 'format',
    flags: [mountFlag, versionsFlag],
    arguments: { min: 1, max: 1 },
    async run(context) {
      const { client, print } = context;
      const versions = versionsOf(context);
      if (versions.length === 0)
        throw new UsageError(`No versions provided, use the "-versions" flag to specify the version to ${verb}.`);
      const at = await locateKv(context, context.args[0] ?? '');
      if (at.version === 1)
        throw new CommandError(`${verb[0]?.toUpperCase() ?? ''}${verb.slice(1)} not supported on KV Version 1`, 1);
      const path = kvApiPath(at, verb);
      const answer = await doing(
        `Error writing data to ${path}`,
        client.send({ method: 'PUT', path, body: { versions: versions.map(String) } }),
      );
      if (answer) return print.secret(answer);
      if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
      return 0;
    },
  };
}

const rollback: Command = {
  name: 'kv rollback',
  synopsis: 'Rolls back to a previous version of data',
  usage: '[options] KEY',
  help: 'Writes a previous version as the newest one.\n\n    $ vault kv rollback -mount=secret -version=2 foo',
  http: true,
  output: 'format',
  flags: [mountFlag, versionFlag],
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { client, flags, print } = context;
    const version = flags.int('version');
    if (version === undefined) throw new UsageError('Version flag must be specified');
    if (version <= 0) throw new UsageError(`Invalid value "${String(version)}" for the version flag`);
    const at = await locateKv(context, context.args[0] ?? '');
    if (at.version === 1) throw new CommandError('K/V engine mount must be version 2 for rollback support', 2);
    const path = kvApiPath(at, 'data');
    const newest = await doing(`Error doing pre-read at ${path}`, orMissing(client.send({ method: 'GET', path })));
    const current = newest?.data?.metadata as { readonly version?: number } | undefined;
    if (!current) throw noValue(path);
    const wanted = await doing(
      `Error doing pre-read at ${path}`,
      orMissing(client.send({ method: 'GET', path, query: { version: String(version) } })),
    );
    const metadata = wanted?.data?.metadata as
      { readonly destroyed?: boolean; readonly deletion_time?: string } | undefined;
    if (!metadata) throw noValue(path);
    if (metadata.destroyed) throw new CommandError('Cannot roll back to a version that has been destroyed');
    const data = wanted?.data?.data;
    if (!data) throw new CommandError('Cannot roll back to a version that has been deleted');
    const answer = await doing(
      `Error writing data to ${path}`,
      client.send({ method: 'PUT', path, body: { data, options: { cas: current.version ?? 0 } } }),
    );
    return answer ? print.secret(answer) : 0;
  },
};

const list: Command = {
  name: 'kv list',
  synopsis: 'List data or secrets',
  usage: '[options] PATH',
  help: 'Lists data from the key-value store at the given path.\n\n    $ vault kv list -mount=secret my-app/',
  http: true,
  output: 'format',
  flags: [mountFlag],
  arguments: { min: 0, max: 1, text: '1' },
  async run(context) {
    const [path] = context.args;
    if (path === undefined && !context.flags.has('mount'))
      throw new UsageError('Not enough arguments (expected 1, got 0)');
    const at = await locateKv(context, path ?? '');
    return listAt(context, kvApiPath(at, 'metadata'), 'list');
  },
};

const enableVersioning: Command = {
  name: 'kv enable-versioning',
  synopsis: 'Turns on versioning for a KV store',
  usage: '[options] KEY',
  help: 'Turns a key-value store of version 1 into one of version 2.\n\n    $ vault kv enable-versioning secret',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = `${(args[0] ?? '').replace(/\/+$/, '')}/`;
    await doing(
      `Error tuning secrets engine ${path}`,
      client.send({ method: 'POST', path: `sys/mounts/${path}tune`, body: { options: { version: '2' } } }),
    );
    print.line(`Success! Tuned the secrets engine at: ${path}`);
    return 0;
  },
};

export const kvCommands: readonly Command[] = [
  put,
  get,
  patch,
  remove,
  versionsCommand('undelete', 'Undeletes versions in the KV store'),
  versionsCommand('destroy', 'Permanently removes one or more versions in the KV store'),
  rollback,
  list,
  enableVersioning,
];
