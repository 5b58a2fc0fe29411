import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import type { FlagSpec, FlagValues } from '../flags.ts';
import { durationString } from '../go-duration.ts';
import { heading, titledTable } from '../output/table.ts';
import { cell } from '../output/secret.ts';
import { noValue, orMissing, writing } from './generic.ts';
import { metadataTable, mountFlag } from './kv.ts';
import { kvApiPath, locateKv } from './kv-mount.ts';

const settingFlags: readonly FlagSpec[] = [
  mountFlag,
  { name: 'cas-required', kind: 'bool', help: 'Every write must name the current version.' },
  {
    name: 'custom-metadata',
    kind: 'map',
    value: 'key=value',
    help: 'A text to keep beside the key; may be given several times.',
  },
  { name: 'delete-version-after', kind: 'duration', value: 'duration', help: 'How long new versions live.' },
  { name: 'max-versions', kind: 'int', value: 'int', help: 'How many versions the key keeps.' },
  {
    name: 'metadata-cas',
    kind: 'int',
    value: 'int',
    help: 'The version of the metadata that must be the current one.',
  },
  { name: 'metadata-cas-required', kind: 'bool', help: 'Every write of the metadata must name its current version.' },
];

/** Only what was given; numbers and durations below 0 stand for nothing. */
function settings(flags: FlagValues, patching: boolean): Record<string, unknown> {
  const body: [string, unknown][] = [];
  const maxVersions = flags.int('max-versions') ?? -1;
  const deleteAfter = flags.duration('delete-version-after') ?? -1n;
  if (flags.has('cas-required')) body.push(['cas_required', flags.bool('cas-required')]);
  const removed = Object.fromEntries(flags.texts('remove-custom-metadata').map((name) => [name, null]));
  const custom = { ...flags.map('custom-metadata'), ...removed };
  if (patching || Object.keys(custom).length > 0) body.push(['custom_metadata', custom]);
  if (deleteAfter >= 0n) body.push(['delete_version_after', durationString(deleteAfter)]);
  if (maxVersions >= 0) body.push(['max_versions', maxVersions]);
  if (flags.has('metadata-cas')) body.push(['metadata_cas', flags.int('metadata-cas')]);
  if (flags.has('metadata-cas-required')) body.push(['metadata_cas_required', flags.bool('metadata-cas-required')]);
  return Object.fromEntries(body);
}

function writer(name: string, method: 'PUT' | 'PATCH', synopsis: string, flags: readonly FlagSpec[]): Command {
  return {
    name,
    synopsis,
    usage: '[options] KEY',
    help: `${synopsis}.\n\n    $ vault ${name} -mount=secret -max-versions=5 foo`,
    http: true,
    output: 'format',
    flags,
    arguments: { min: 1, max: 1 },
    async run(context) {
      const { client, print } = context;
      const at = await locateKv(context, context.args[0] ?? '');
      if (at.version === 1) throw new CommandError('Metadata not supported on KV Version 1', 1);
      const path = kvApiPath(at, 'metadata');
      const answer = await writing(
        context,
        `Error writing data to ${path}`,
        client.send({ method, path, body: settings(context.flags, method === 'PATCH') }),
      );
      if (answer) return print.secret(answer);
      if (print.format === 'table') print.line(`Success! Data written to: ${path}`);
      return 0;
    },
  };
}

const get: Command = {
  name: 'kv metadata get',
  synopsis: 'Retrieves key metadata from the KV store',
  usage: '[options] KEY',
  help: 'Retrieves the metadata of the given key.\n\n    $ vault kv metadata get -mount=secret foo',
  http: true,
  output: 'format',
  flags: [mountFlag],
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { client, print } = context;
    const at = await locateKv(context, context.args[0] ?? '');
    if (at.version === 1) throw new CommandError('Metadata not supported on KV Version 1', 1);
    const path = kvApiPath(at, 'metadata');
    const answer = await doing(`Error reading ${path}`, orMissing(client.send({ method: 'GET', path })));
    if (!answer) throw noValue(path);
    if (answer.wrap_info || print.format !== 'table') return print.secret(answer);
    const { versions, ...rest } = answer.data ?? {};
    if (!versions) {
      print.error(`No value found at ${path}`);
      print.secret(answer);
      return 2;
    }
    print.line(`${heading('Metadata Path', path)}\n${path}\n`);
    print.warnings(answer);
    const below = metadataTable(rest);
    print.line(`${heading('Metadata', below)}\n${below}`);
    const all = versions as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    for (const version of Object.keys(all).sort((a, b) => Number(a) - Number(b))) {
      const record = all[version] ?? {};
      const table = titledTable(
        ['Key', 'Value'],
        Object.keys(record)
          .sort()
          .map((key) => [key, cell(key, record[key])]),
      );
      print.line(`\n${heading(`Version ${version}`, table)}\n${table}`);
    }
    return 0;
  },
};

const remove: Command = {
  name: 'kv metadata delete',
  synopsis: 'Deletes all versions and metadata for a key in the KV store',
  usage: '[options] PATH',
  help: 'Deletes all versions and metadata of a key.\n\n    $ vault kv metadata delete -mount=secret foo',
  http: true,
  flags: [mountFlag],
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { client, print } = context;
    const at = await locateKv(context, context.args[0] ?? '');
    if (at.version === 1) throw new CommandError('Metadata not supported on KV Version 1', 1);
    const path = kvApiPath(at, 'metadata');
    const answer = await writing(context, `Error deleting ${path}`, client.send({ method: 'DELETE', path }));
    if (answer) return print.secret(answer);
    if (print.format === 'table') print.line(`Success! Data deleted (if it existed) at: ${path}`);
    return 0;
  },
};

export const kvMetadataCommands: readonly Command[] = [
  writer('kv metadata put', 'PUT', 'Sets or updates key settings in the KV store', settingFlags),
  writer('kv metadata patch', 'PATCH', 'Patches key settings in the KV store', [
    ...settingFlags,
    {
      name: 'remove-custom-metadata',
      kind: 'texts',
      value: 'string',
      help: 'A name of custom metadata to remove; may be given several times.',
    },
  ]),
  get,
  remove,
];
