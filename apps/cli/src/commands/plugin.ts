import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { titledTable } from '../output/table.ts';
import { orMissing } from './generic.ts';

const TYPES = ['auth', 'database', 'secret'] as const;

interface PluginDetails {
  readonly name: string;
  readonly type: string;
  readonly version?: string;
  readonly deprecation_status?: string;
}

const isType = (text: string): text is (typeof TYPES)[number] => TYPES.some((type) => type === text);

const list: Command = {
  name: 'plugin list',
  synopsis: 'Lists available plugins',
  usage: '[options] [TYPE]',
  help: 'Lists the engines and auth methods that the server has; of one type, if "auth", "database" or "secret" is given.\n\n    $ vault plugin list database',
  http: true,
  output: 'format',
  flags: [{ name: 'detailed', kind: 'bool', help: 'Print detailed information.' }],
  arguments: { min: 0, max: 1, text: '0 or 1' },
  async run({ client, flags, args, print }) {
    const type = (args[0] ?? '').trim();
    if (type !== '' && !isType(type))
      throw new CommandError(`Error parsing type: "${type}" is not a supported plugin type`);
    const answer = await doing(
      'Error listing available plugins',
      client.send({ method: 'GET', path: 'sys/plugins/catalog' }),
    );
    const data = answer?.data;
    if (!data) throw new CommandError('No response from server when listing plugins');
    const details = ((data.detailed ?? []) as readonly PluginDetails[]).filter(
      (one) => type === '' || one.type === type,
    );
    const names = TYPES.filter((one) => type === '' || one === type).map((one) => [one, data[one] ?? []] as const);
    if (print.value({ ...Object.fromEntries(names), details })) return 0;
    const detailed = flags.bool('detailed');
    const withType = detailed || type === '';
    const titles = ['Name', ...(withType ? ['Type'] : []), 'Version', ...(detailed ? ['Deprecation Status'] : [])];
    const rows = details.map((one) => [
      one.name,
      ...(withType ? [one.type] : []),
      one.version ?? '',
      ...(detailed ? [one.deprecation_status ?? ''] : []),
    ]);
    print.line(titledTable(titles, rows));
    return 0;
  },
};

const info: Command = {
  name: 'plugin info',
  synopsis: 'Read information about a plugin in the catalog',
  usage: '[options] TYPE NAME',
  help: 'Shows one plugin; its type is "auth", "database" or "secret".\n\n    $ vault plugin info database postgresql-database-plugin',
  http: true,
  output: 'field',
  flags: [{ name: 'version', kind: 'text', value: 'string', help: 'Version of the plugin.' }],
  arguments: { min: 1, max: 2, text: '1 or 2' },
  async run({ client, flags, args, print }) {
    const [type, name] =
      args.length === 2 ? [(args[0] ?? '').trim(), (args[1] ?? '').trim()] : ['', (args[0] ?? '').trim()];
    if (type !== '' && !isType(type)) throw new CommandError(`"${type}" is not a supported plugin type`);
    const version = flags.text('version');
    const answer = await doing(
      `Error reading plugin named ${name}`,
      orMissing(
        client.send({
          method: 'GET',
          path: `sys/plugins/catalog/${type === '' ? '' : `${type}/`}${name}`,
          ...(version === undefined ? {} : { query: { version } }),
        }),
      ),
    );
    if (!answer?.data) throw new CommandError(`No value found for plugin "${name}"`);
    const { args: words, builtin, command, sha256, deprecation_status, version: found } = answer.data;
    return print.secret({
      data: { args: words, builtin, command, name: answer.data.name, sha256, deprecation_status, version: found },
    });
  },
};

export const pluginCommands: readonly Command[] = [list, info];
