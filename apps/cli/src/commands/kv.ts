import { ApiError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing, failure } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import type { FlagSpec } from '../flags.ts';
import { parseKeyValues } from '../key-values.ts';
import { cell } from '../output/secret.ts';
import { heading, titledTable } from '../output/table.ts';
import { listAt, mountPath, noValue, orMissing, writing } from './generic.ts';
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
    const { client, flags } = context;
    const [key = '', ...pairs] = context.args;
    if (pairs.length === 0) throw new UsageError('Must supply data');
    const data = parseKeyValues(pairs, context.readInput);
    const at = await locateKv(context, key);
    const path = kvApiPath(at, 'data');
    const cas = flags.int('cas');
    const body = at.version === 2 ? { data, options: cas === undefined || cas < 0 ? {} : { cas } } : data;
    const answer = await writing(context, `Error writing data to ${path}`, client.send({ method: 'PUT', path, body }));
    return printWrite(context, answer, path);
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
    const query = at.version === 2 && version !== undefined && version > 0 ? { version: String(version) } : {};
    const answer = await doing(`Error reading ${path}`, orMissing(client.send({ method: 'GET', path, query })));
    if (!answer) throw noValue(path);
    if (print.field !== undefined && at.version === 2) return printField(context, answer, path);
    if (print.field !== undefined || print.format !== 'table' || answer.wrap_info) return print.secret(answer);
    print.warnings(answer);
    if (at.version === 1) {
      printData(context, answer.data ?? {});
      return 0;
    }
    return printV2(context, answer, path);
  },
};

/** A field of the data of version 2; "data" is all of it, unless it has such a key. */
function printField({ print }: CommandContext, answer: ApiResponse, path: string): number {
  const field = print.field ?? '';
  const data = answer.data?.data as Data | null | undefined;
  if (data === undefined || data === null) throw new CommandError(`No data found at ${path}`);
  if (field === 'data' && !Object.hasOwn(data, 'data')) return print.fieldOf(answer, 'data');
  return print.plainField(field, Object.hasOwn(data, field) ? data[field] : undefined);
}

function printData({ print }: CommandContext, data: Data): void {
  const rows = rowsOf(data);
  const below = rows.length === 0 ? '' : titledTable(['Key', 'Value'], rows);
  print.line(heading('Data', below) + (below === '' ? '' : `\n${below}`));
}

function printV2(context: CommandContext, answer: ApiResponse, path: string): number {
  const { print } = context;
  const data = answer.data?.data as Data | null | undefined;
  const metadata = answer.data?.metadata as Data | null | undefined;
  printPath(context, 'Secret Path', path);
  if (metadata) {
    const below = metadataTable(metadata);
    print.line(`${heading('Metadata', below)}\n${below}\n`);
  }
  if (data) printData(context, data);
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
    const data = {
      ...parseKeyValues(pairs, context.readInput),
      ...Object.fromEntries(removed.map((name) => [name, null])),
    };
    const at = await locateKv(context, key);
    const path = kvApiPath(at, 'data');
    if (at.version === 1) throw new CommandError('K/V engine mount must be version 2 for patch support', 2);
    if (!['', 'patch', 'rw'].includes(method))
      throw new CommandError(`Unsupported method provided to -method flag: ${method}`);
    const cas = flags.int('cas') ?? 0;
    if (method === 'rw') return readThenWrite(context, path, data);
    const options = cas > 0 ? { cas } : {};
    let answer: ApiResponse | undefined;
    try {
      answer = await client.send({ method: 'PATCH', path, body: { data, options } });
    } catch (error) {
      if (!(error instanceof ApiError) || method !== '' || (error.status !== 403 && error.status !== 405))
        throw failure(`Error writing data to ${path}`, error);
      if (error.status === 403)
        context.print.error(
          `Data was written to ${path} but we recommend that you add the "patch" capability to your ACL policy in order to use HTTP PATCH in the future.`,
        );
      return readThenWrite(context, path, data);
    }
    return printWrite(context, answer, path);
  },
};

function printWrite(context: CommandContext, answer: ApiResponse | undefined, path: string): number {
  if (answer) return printWritten(context, answer, path);
  if (context.print.format === 'table') context.print.line(`Success! Data written to: ${path}`);
  return 0;
}

/** For those who may read and write, but not patch: the version that was read must still be the newest. */
async function readThenWrite(context: CommandContext, path: string, patchData: Data): Promise<number> {
  const { client, probe } = context;
  const before = await doing(`Error doing pre-read at ${path}`, orMissing(probe.send({ method: 'GET', path })));
  const data = before?.data?.data as Data | null | undefined;
  const metadata = before?.data?.metadata as { readonly version?: number } | null | undefined;
  if (!before?.data) throw noValue(path);
  if (!metadata) throw new CommandError(`No metadata found at ${path}; patch only works on existing data`);
  if (!data) throw new CommandError(`No data found at ${path}; patch only works on existing data`);
  const merged = new Map<string, unknown>(Object.entries(data));
  for (const [name, value] of Object.entries(patchData)) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  const body = { data: Object.fromEntries(merged), options: { cas: metadata.version ?? 0 } };
  return printWrite(
    context,
    await writing(context, `Error writing data to ${path}`, client.send({ method: 'PUT', path, body })),
    path,
  );
}

/** Whether they are numbers is for the server to say. */
const versionsOf = ({ flags }: CommandContext): readonly string[] =>
  flags
    .texts('versions')
    .flatMap((text) => (text === '' ? [] : text.split(',')))
    .map((text) => text.trim());

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
    const path = kvApiPath(at, 'data');
    const request =
      at.version === 2 && context.flags.has('versions')
        ? ({ method: 'PUT', path: kvApiPath(at, 'delete'), body: { versions: versionsOf(context) } } as const)
        : ({ method: 'DELETE', path } as const);
    const answer = await writing(context, `Error deleting ${path}`, client.send(request));
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
      if (!context.flags.has('versions'))
        throw new UsageError(`No versions provided, use the "-versions" flag to specify the version to ${verb}.`);
      const at = await locateKv(context, context.args[0] ?? '');
      if (at.version === 1)
        throw new CommandError(`${verb[0]?.toUpperCase() ?? ''}${verb.slice(1)} not supported on KV Version 1`, 1);
      const path = kvApiPath(at, verb);
      const answer = await writing(
        context,
        `Error writing data to ${path}`,
        client.send({ method: 'PUT', path, body: { versions } }),
      );
      if (answer) return print.secret(answer);
      if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
      return 0;
    },
  };
}

interface Version {
  readonly metadata: { readonly version?: number; readonly destroyed?: boolean; readonly deletion_time?: string };
  readonly data: Data | null | undefined;
}

/** A version as rolling back needs it. */
async function versionAt({ client }: CommandContext, path: string, version: string | undefined): Promise<Version> {
  const query = version === undefined ? {} : { version };
  const found = await doing(`Error doing pre-read at ${path}`, orMissing(client.send({ method: 'GET', path, query })));
  if (!found?.data) throw noValue(path);
  const metadata = found.data.metadata as Version['metadata'] | null | undefined;
  if (!metadata) throw new CommandError(`No metadata found at ${path}; rollback only works on existing data`);
  return { metadata, data: found.data.data as Data | null | undefined };
}

const rollback: Command = {
  name: 'kv rollback',
  synopsis: 'Rolls back to a previous version of data',
  usage: '[options] KEY',
  help: 'Writes a previous version as the newest one.\n\n    $ vault kv rollback -mount=secret -version=2 foo',
  http: true,
  output: 'format',
  flags: [mountFlag, versionFlag],
  arguments: { min: 0, max: many },
  async run(context) {
    const { args, client, flags, print } = context;
    if (args.length !== 1) throw new UsageError(`Invalid number of arguments (expected 1, got ${String(args.length)})`);
    const version = flags.int('version');
    if (version === undefined) throw new UsageError('Version flag must be specified');
    if (version <= 0) throw new UsageError(`Invalid value ${String(version)} for the version flag`);
    const at = await locateKv(context, args[0] ?? '');
    if (at.version === 1) throw new CommandError('K/V engine mount must be version 2 for rollback support', 2);
    const path = kvApiPath(at, 'data');
    const newest = await versionAt(context, path, undefined);
    const wanted = await versionAt(context, path, String(version));
    if (wanted.metadata.deletion_time) throw new CommandError('Cannot roll back to a version that has been deleted');
    if (wanted.metadata.destroyed) throw new CommandError('Cannot roll back to a version that has been destroyed');
    if (!wanted.data) throw new CommandError(`No data found at ${path}; rollback only works on existing data`);
    const body = { data: wanted.data, options: { cas: newest.metadata.version ?? 0 } };
    const answer = await writing(context, `Error writing data to ${path}`, client.send({ method: 'PUT', path, body }));
    if (answer) return print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
    return 0;
  },
};

function listing(kind: 'list' | 'scan', synopsis: string, help: string): Command {
  return {
    name: `kv ${kind}`,
    synopsis,
    usage: '[options] PATH',
    help: `${help}\n\n    $ vault kv ${kind} -mount=secret my-app/`,
    http: true,
    output: 'format',
    flags: [mountFlag],
    arguments: { min: 0, max: 1, text: '1' },
    async run(context) {
      const [path] = context.args;
      if (path === undefined && !context.flags.text('mount'))
        throw new UsageError('Not enough arguments (expected 1, got 0)');
      const at = await locateKv(context, path ?? '');
      return listAt(context, kvApiPath(at, 'metadata'), kind, true);
    },
  };
}

const list = listing('list', 'List data or secrets', 'Lists data from the key-value store at the given path.');

const scan = listing(
  'scan',
  'Scan data or secrets',
  'Lists data from the key-value store at and below the given path.',
);

const enableVersioning: Command = {
  name: 'kv enable-versioning',
  synopsis: 'Turns on versioning for a KV store',
  usage: '[options] KEY',
  help: 'Turns a key-value store of version 1 into one of version 2.\n\n    $ vault kv enable-versioning secret',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = mountPath(args[0] ?? '');
    const body = { options: { version: '2' }, default_lease_ttl: '', max_lease_ttl: '', force_no_cache: false };
    await doing(
      `Error tuning secrets engine ${path}`,
      client.send({ method: 'POST', path: `sys/mounts/${path}tune`, body }),
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
  scan,
  enableVersioning,
];
