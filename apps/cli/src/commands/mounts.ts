import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { durationText, settingText } from '../flags.ts';
import { loginHelp } from '../login-help.ts';
import { goValue } from '../output/go-value.ts';
import { titledTable } from '../output/table.ts';
import { mountPath, withSlash } from './generic.ts';
import { enableFlags, optionsOf, tuneFlags, tuning } from './mount-flags.ts';
import type { MountKind } from './mount-flags.ts';

const KINDS: readonly MountKind[] = [
  { word: 'secrets', api: 'sys/mounts', noun: 'secrets engine', plural: 'secrets engines' },
  { word: 'auth', api: 'sys/auth', noun: 'auth method', plural: 'auth methods' },
];

interface Mount {
  readonly type: string;
  readonly description: string;
  readonly accessor: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, string>> | null;
  readonly local: boolean;
  readonly seal_wrap: boolean;
  readonly external_entropy_access: boolean;
  readonly plugin_version?: string;
  readonly running_plugin_version?: string;
  readonly running_sha256?: string;
  readonly deprecation_status?: string;
  readonly uuid: string;
}

function enable(kind: MountKind): Command {
  return {
    name: `${kind.word} enable`,
    synopsis: `Enable ${kind.word === 'auth' ? 'a new auth method' : 'a secrets engine'}`,
    usage: '[options] TYPE',
    help: `Enables a ${kind.noun}; by default at the path of its type.\n\n    $ vault ${kind.word} enable ${kind.word === 'auth' ? 'userpass' : 'kv-v2'}`,
    http: true,
    flags: enableFlags(kind),
    arguments: { min: 1, max: 1 },
    async run({ client, flags, args, print }) {
      const named = (args[0] ?? '').trim();
      const type = named === 'plugin' ? (flags.text('plugin-name') ?? '') : named;
      const path = withSlash(flags.text('path') || type);
      const body = {
        type,
        description: flags.text('description') ?? '',
        config: {
          options: null,
          default_lease_ttl: durationText(flags.text('default-lease-ttl')),
          max_lease_ttl: durationText(flags.text('max-lease-ttl')),
          force_no_cache: flags.bool('force-no-cache'),
          ...tuning(flags),
        },
        local: flags.bool('local'),
        seal_wrap: flags.bool('seal-wrap'),
        external_entropy_access: flags.bool('external-entropy-access'),
        options: optionsOf(flags),
      };
      const what = kind.word === 'auth' ? `Error enabling ${type} auth` : 'Error enabling';
      await doing(what, client.send({ method: 'POST', path: `${kind.api}/${path}`, body }));
      const version = flags.text('plugin-version');
      const thing = kind.word === 'auth' ? `${type} auth method` : `the ${type} secrets engine`;
      print.line(`Success! Enabled ${thing}${version ? ` version ${version}` : ''} at: ${path}`);
      return 0;
    },
  };
}

function disable(kind: MountKind): Command {
  return {
    name: `${kind.word} disable`,
    synopsis: `Disable ${kind.word === 'auth' ? 'an auth method' : 'a secrets engine'}`,
    usage: '[options] PATH',
    help: `Disables a ${kind.noun} at the given path, with all that it keeps.\n\n    $ vault ${kind.word} disable my-path`,
    http: true,
    arguments: { min: 1, max: 1 },
    async run({ client, args, print }) {
      const path = mountPath(args[0] ?? '');
      await doing(
        `Error disabling ${kind.noun} at ${path}`,
        client.send({ method: 'DELETE', path: `${kind.api}/${path}` }),
      );
      print.line(`Success! Disabled the ${kind.noun} (if it existed) at: ${path}`);
      return 0;
    },
  };
}

function list(kind: MountKind): Command {
  return {
    name: `${kind.word} list`,
    synopsis: `List enabled ${kind.plural}`,
    usage: '[options]',
    help: `Lists the ${kind.plural} that are enabled.\n\n    $ vault ${kind.word} list`,
    http: true,
    output: 'format',
    flags: [{ name: 'detailed', kind: 'bool', help: 'Print detailed information.' }],
    arguments: { min: 0, max: 0 },
    async run({ client, flags, print }) {
      const what = `Error listing ${kind.word === 'auth' ? 'enabled authentications' : kind.plural}`;
      const answer = await doing(what, client.send({ method: 'GET', path: kind.api }));
      if (!answer?.data) throw new CommandError(`${what}: data from server response is empty`);
      const mounts = answer.data as Readonly<Record<string, Mount>>;
      if (print.value(complete(mounts))) return 0;
      const paths = Object.keys(mounts).sort();
      const detailed = flags.bool('detailed');
      const rows = paths.map((path) =>
        detailed ? detailedRow(kind, path, mounts[path] as Mount) : simpleRow(path, mounts[path] as Mount),
      );
      const titles = detailed
        ? detailedTitles(kind)
        : ['Path', 'Type', 'Accessor', 'Description', ...(kind.word === 'auth' ? ['Version'] : [])];
      print.line(titledTable(titles, detailed || kind.word === 'secrets' ? rows : rows.map((row) => [...row, 'n/a'])));
      return 0;
    },
  };
}

/** A server may leave out what says nothing; scripts that read the list rely on it. */
function complete(mounts: Readonly<Record<string, Mount>>): Record<string, unknown> {
  const nothing = { plugin_version: '', running_plugin_version: '', running_sha256: '', deprecation_status: '' };
  return Object.fromEntries(Object.entries(mounts).map(([path, mount]) => [path, { ...nothing, ...mount }]));
}

const simpleRow = (path: string, mount: Mount): readonly string[] => [
  path,
  mount.type,
  mount.accessor,
  mount.description,
];

function detailedTitles({ word }: MountKind): readonly string[] {
  const rest = [
    'Replication',
    'Seal Wrap',
    'External Entropy Access',
    'Options',
    'Description',
    'UUID',
    'Version',
    'Running Version',
    'Running SHA256',
    'Deprecation Status',
  ];
  return word === 'auth'
    ? ['Path', 'Plugin', 'Accessor', 'Default TTL', 'Max TTL', 'Token Type', ...rest]
    : ['Path', 'Plugin', 'Accessor', 'Default TTL', 'Max TTL', 'Force No Cache', ...rest];
}

function detailedRow(kind: MountKind, path: string, mount: Mount): readonly string[] {
  const fixed = mount.type === 'system' || mount.type === 'cubbyhole';
  const ttl = (value: unknown): string => (fixed ? '' : value === 0 || value === undefined ? 'system' : goValue(value));
  const { config } = mount;
  return [
    path,
    mount.type,
    mount.accessor,
    ttl(config.default_lease_ttl),
    ttl(config.max_lease_ttl),
    kind.word === 'auth' ? goValue(config.token_type ?? '') : String(config.force_no_cache ?? false),
    mount.local ? 'local' : 'replicated',
    String(mount.seal_wrap),
    String(mount.external_entropy_access),
    goValue(mount.options ?? {}),
    mount.description,
    mount.uuid,
    mount.plugin_version ?? '',
    mount.running_plugin_version ?? '',
    mount.running_sha256 ?? '',
    mount.deprecation_status ?? '',
  ];
}

function tune(kind: MountKind): Command {
  return {
    name: `${kind.word} tune`,
    synopsis: `Tunes ${kind.word === 'auth' ? 'an auth method' : 'a secrets engine'} configuration`,
    usage: '[options] PATH',
    help: `Changes the settings of the ${kind.noun} at the given path.\n\n    $ vault ${kind.word} tune -default-lease-ttl=72h my-path/`,
    http: true,
    flags: tuneFlags(kind),
    arguments: { min: 1, max: 1 },
    async run({ client, flags, args, print }) {
      const path = mountPath(args[0] ?? '');
      const body = {
        options: optionsOf(flags),
        default_lease_ttl: settingText(flags.duration('default-lease-ttl')),
        ...(flags.has('description') ? { description: flags.text('description') } : {}),
        max_lease_ttl: settingText(flags.duration('max-lease-ttl')),
        force_no_cache: false,
        ...tuning(flags),
      };
      await doing(
        `Error tuning ${kind.noun} ${path}`,
        client.send({
          method: 'POST',
          path: `${kind.word === 'auth' ? 'sys/mounts/auth/' : 'sys/mounts/'}${path}tune`,
          body,
        }),
      );
      print.line(`Success! Tuned the ${kind.noun} at: ${path}`);
      return 0;
    },
  };
}

function move(kind: MountKind): Command {
  return {
    name: `${kind.word} move`,
    synopsis: `Move ${kind.word === 'auth' ? 'an auth method' : 'a secrets engine'} to a new path`,
    usage: '[options] SOURCE DESTINATION',
    help: `Moves the ${kind.noun} with all that it keeps; its leases are revoked.\n\n    $ vault ${kind.word} move old/ new/`,
    http: true,
    arguments: { min: 2, max: 2 },
    async run(context) {
      const { client, args, print } = context;
      const [from, to] = [withSlash(args[0] ?? ''), withSlash(args[1] ?? '')];
      const names = `${kind.noun} ${from} to ${to}`;
      const answer = await doing(
        `Error moving ${names}`,
        client.send({ method: 'POST', path: 'sys/remount', body: { from, to } }),
      );
      const id = String(answer?.data?.migration_id);
      print.line(`Started moving ${names}, with migration ID ${id}`);
      await waitForMove(context, id, names);
      print.line(`Success! Finished moving ${names}, with migration ID ${id}`);
      return 0;
    },
  };
}

/** Asks until the move has ended. */
async function waitForMove({ client, print }: CommandContext, id: string, names: string): Promise<void> {
  for (;;) {
    const answer = await doing(
      `Error checking migration status of ${names}`,
      client.send({ method: 'GET', path: `sys/remount/status/${id}` }),
    );
    const info = answer?.data?.migration_info as { readonly status?: string } | undefined;
    if (info?.status === 'success') return;
    if (info?.status === 'failure')
      throw new CommandError(`Failure! Error encountered moving ${names}, with migration ID ${id}`);
    print.line(`Waiting for terminal status in migration of ${names}, with migration ID ${id}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

const authHelp: Command = {
  name: 'auth help',
  synopsis: 'Prints usage for an auth method',
  usage: '[options] TYPE | PATH',
  help: 'Prints how to log in by an auth method.\n\n    $ vault auth help userpass',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args, print, program }) {
    const [asked = ''] = args;
    const direct = loginHelp(asked.trim(), program);
    if (direct !== undefined) {
      print.line(direct);
      return 0;
    }
    const answer = await doing('Error listing auth methods', client.send({ method: 'GET', path: 'sys/auth' }));
    const methods = new Map(Object.entries((answer?.data ?? {}) as Readonly<Record<string, Mount>>));
    const path = mountPath(asked);
    const type = methods.get(path)?.type;
    if (type === undefined) throw new CommandError(`No auth method available on the server at "${path}"`, 1);
    const help = loginHelp(type, program);
    if (help === undefined)
      throw new CommandError(`No method-specific CLI handler available for auth method "${type}"`);
    print.line(help);
    return 0;
  },
};

export const mountCommands: readonly Command[] = [
  ...KINDS.flatMap((kind) => [enable(kind), disable(kind), list(kind), tune(kind), move(kind)]),
  authHelp,
];
