import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { parseKeyValues, textsOf } from '../key-values.ts';
import { titledTable } from '../output/table.ts';
import { mountPath, withSlash } from './generic.ts';

const auditList: Command = {
  name: 'audit list',
  synopsis: 'Lists enabled audit devices',
  usage: '[options]',
  help: 'Lists the audit devices that are enabled.\n\n    $ vault audit list',
  http: true,
  output: 'format',
  flags: [{ name: 'detailed', kind: 'bool', help: 'Print detailed information.' }],
  arguments: { min: 0, max: 0 },
  async run({ client, flags, print }) {
    const answer = await doing('Error listing audits', client.send({ method: 'GET', path: 'sys/audit' }));
    if (!answer?.data) throw new CommandError('Error listing audits: data from server response is empty');
    const devices = answer.data as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    if (print.value(devices)) return 0;
    const paths = Object.keys(devices).sort();
    if (paths.length === 0) {
      print.line('No audit devices are enabled.');
      return 2;
    }
    const detailed = flags.bool('detailed');
    const rows = paths.map((path) => {
      const device = devices[path] ?? {};
      const simple = [path, String(device.type), String(device.description ?? '')];
      const options = Object.entries((device.options ?? {}) as Readonly<Record<string, string>>)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ');
      return detailed ? [...simple, device.local === true ? 'local' : 'replicated', options] : simple;
    });
    print.line(titledTable(['Path', 'Type', 'Description', ...(detailed ? ['Replication', 'Options'] : [])], rows));
    return 0;
  },
};

const auditEnable: Command = {
  name: 'audit enable',
  synopsis: 'Enables an audit device',
  usage: '[options] TYPE [CONFIG K=V...]',
  help: 'Enables an audit device.\n\n    $ vault audit enable file file_path=/var/log/audit.log',
  http: true,
  flags: [
    { name: 'description', kind: 'text', value: 'string', help: 'What it is for.' },
    { name: 'path', kind: 'text', value: 'string', help: 'Name of the device; its type if left out.' },
    { name: 'local', kind: 'bool', help: 'Not replicated to other clusters.' },
  ],
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  async run({ client, flags, args, print, readInput }) {
    const [first, ...pairs] = args;
    if (first === undefined)
      throw new UsageError(
        "Error enabling audit device: audit type missing. Valid types include 'file', 'socket' and 'syslog'.",
      );
    const type = first.trim();
    const path = withSlash(flags.text('path') || type);
    const body = {
      type,
      description: flags.text('description') ?? '',
      options: textsOf(parseKeyValues(pairs, readInput)),
      local: flags.bool('local'),
    };
    await doing('Error enabling audit device', client.send({ method: 'PUT', path: `sys/audit/${path}`, body }));
    print.line(`Success! Enabled the ${type} audit device at: ${path}`);
    return 0;
  },
};

const auditDisable: Command = {
  name: 'audit disable',
  synopsis: 'Disables an audit device',
  usage: '[options] PATH',
  help: 'Disables an audit device.\n\n    $ vault audit disable file/',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = mountPath(args[0] ?? '');
    await doing('Error disabling audit device', client.send({ method: 'DELETE', path: `sys/audit/${path}` }));
    print.line(`Success! Disabled audit device (if it was enabled) at: ${path}`);
    return 0;
  },
};

export const auditCommands: readonly Command[] = [auditList, auditEnable, auditDisable];
