import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError, durationText } from '../flags.ts';
import { parseKeyValues } from '../key-values.ts';
import { titledTable } from '../output/table.ts';
import { completionScript } from '../completion.ts';
import { orMissing } from './generic.ts';

const many = Number.POSITIVE_INFINITY;

const version: Command = {
  name: 'version',
  synopsis: 'Prints the Coffer version',
  usage: '',
  help: 'Prints the version of this program.\n\n    $ vault version',
  output: 'format',
  arguments: { min: 0, max: 0 },
  run({ print, program }) {
    const own = '0.1.0';
    const api = '1.21.0';
    if (!print.value({ version: own, api_version: api })) {
      print.line(
        program === 'vault'
          ? `Vault v${api}+coffer.${own} (coffer), built 2026-11-24T00:00:00Z`
          : `Coffer v${own} (Vault API ${api})`,
      );
    }
    return 0;
  },
};

const printToken: Command = {
  name: 'print token',
  synopsis: 'Prints the token currently in use',
  usage: '[options]',
  help: 'Prints the token that commands would use.\n\n    $ vault print token',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  run({ client, print }) {
    print.line(client.settings.token ?? '');
    return 0;
  },
};

const unwrap: Command = {
  name: 'unwrap',
  synopsis: 'Unwrap a wrapped secret',
  usage: '[options] [TOKEN]',
  help: 'Unwraps what a wrapping token keeps; the own token if none is given.\n\n    $ vault unwrap 848f9ccf-7176-098c-5e2b-75a0689d41cd',
  http: true,
  output: 'field',
  arguments: { min: 0, max: 1 },
  async run({ client, args, print }) {
    const [token] = args;
    const body = token === undefined || token === client.settings.token ? undefined : { token };
    const request = {
      method: 'PUT',
      path: 'sys/wrapping/unwrap',
      ...(body ? { body } : {}),
      ...(client.settings.token ? {} : token ? { token } : {}),
    } as const;
    const answer = await doing('Error unwrapping', client.send(request));
    if (!answer) throw new CommandError('Could not find wrapped response');
    return print.secret(answer);
  },
};

const leaseLookup: Command = {
  name: 'lease lookup',
  synopsis: 'Lookup the lease of a secret',
  usage: '[options] ID',
  help: 'Shows a lease.\n\n    $ vault lease lookup database/creds/readonly/2f6a614c',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 1 },
  async run({ client, args, print }) {
    const [id] = args;
    if (id === undefined) throw new UsageError('Missing ID!');
    const answer = await doing(
      `error looking up lease id ${id}`,
      client.send({ method: 'PUT', path: 'sys/leases/lookup', body: { lease_id: id } }),
    );
    return answer ? print.secret(answer) : 0;
  },
};

const leaseRenew: Command = {
  name: 'lease renew',
  synopsis: 'Renew the lease of a secret',
  usage: '[options] ID',
  help: 'Renews the lease of a secret.\n\n    $ vault lease renew database/creds/readonly/2f6a614c',
  http: true,
  output: 'format',
  flags: [
    {
      name: 'increment',
      kind: 'duration',
      value: 'duration',
      help: 'How long it is to live from now on.',
      aliases: ['i'],
    },
  ],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    const [id = ''] = args;
    const increment = flags.has('increment') ? { increment: durationText(flags.text('increment')) } : {};
    const answer = await doing(
      `Error renewing ${id}`,
      client.send({ method: 'PUT', path: 'sys/leases/renew', body: { lease_id: id, ...increment } }),
    );
    return answer ? print.secret(answer) : 0;
  },
};

const leaseRevoke: Command = {
  name: 'lease revoke',
  synopsis: 'Revokes leases and secrets',
  usage: '[options] ID',
  help: 'Revokes a lease, or with -prefix all leases below a path.\n\n    $ vault lease revoke database/creds/readonly/2f6a614c',
  http: true,
  flags: [
    {
      name: 'force',
      kind: 'bool',
      help: 'Drop the leases even if they cannot be revoked; with -prefix.',
      aliases: ['f'],
    },
    { name: 'prefix', kind: 'bool', help: 'Take the argument for a path.' },
    { name: 'sync', kind: 'bool', help: 'Wait until it is done.' },
  ],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    const [id = ''] = args;
    const [force, prefix, sync] = [flags.bool('force'), flags.bool('prefix'), flags.bool('sync')];
    if (force && !prefix) throw new UsageError('Specifying -force requires also specifying -prefix');
    if (force) {
      print.error('Warning! Force-removing leases can cause Vault to become out of sync with secret engines!');
      await doing(
        `Error force revoking leases with prefix ${id}`,
        client.send({ method: 'PUT', path: `sys/leases/revoke-force/${id}` }),
      );
      print.line(`Success! Force revoked any leases with prefix: ${id}`);
      return 0;
    }
    if (prefix)
      await doing(
        `Error revoking leases with prefix ${id}`,
        client.send({ method: 'PUT', path: `sys/leases/revoke-prefix/${id}`, body: { sync } }),
      );
    else
      await doing(
        `Error revoking lease ${id}`,
        client.send({ method: 'PUT', path: 'sys/leases/revoke', body: { lease_id: id, sync } }),
      );
    print.line(
      !sync
        ? 'All revocation operations queued successfully!'
        : prefix
          ? `Success! Revoked any leases with prefix: ${id}`
          : `Success! Revoked lease: ${id}`,
    );
    return 0;
  },
};

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
    const devices = (answer?.data ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
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
  arguments: { min: 0, max: many },
  async run({ client, flags, args, print, readInput }) {
    const [type, ...pairs] = args;
    if (type === undefined)
      throw new UsageError(
        "Error enabling audit device: audit type missing. Valid types include 'file', 'socket' and 'syslog'.",
      );
    const path = `${(flags.text('path') ?? type).replace(/^\/+|\/+$/g, '')}/`;
    const body = {
      type,
      description: flags.text('description') ?? '',
      options: parseKeyValues(pairs, readInput),
      local: flags.bool('local'),
    };
    await doing(
      'Error enabling audit device',
      client.send({ method: 'PUT', path: `sys/audit/${path.slice(0, -1)}`, body }),
    );
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
    const path = `${(args[0] ?? '').replace(/^\/+|\/+$/g, '')}/`;
    await doing(
      'Error disabling audit device',
      client.send({ method: 'DELETE', path: `sys/audit/${path.slice(0, -1)}` }),
    );
    print.line(`Success! Disabled audit device (if it was enabled) at: ${path}`);
    return 0;
  },
};

const pathHelp: Command = {
  name: 'path-help',
  synopsis: 'Retrieve API help for paths',
  usage: '[options] PATH',
  help: 'Retrieves the help of a path.\n\n    $ vault path-help database/roles/',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = (args[0] ?? '').replace(/^\/+/, '');
    const answer = await doing('Error retrieving help', client.send({ method: 'GET', path, query: { help: '1' } }));
    const help = answer?.help ?? answer?.data?.help;
    if (print.value(answer?.openapi ?? answer?.data?.openapi ?? {})) return 0;
    print.line(String(help ?? '').trimEnd());
    return 0;
  },
};

const namespaceFlags = [
  {
    name: 'custom-metadata',
    kind: 'map',
    value: 'key=value',
    help: 'A text to keep with the namespace; may be given several times.',
  },
] as const;

const namespaceList: Command = {
  name: 'namespace list',
  synopsis: 'List child namespaces',
  usage: '[options]',
  help: 'Lists the namespaces below this one.\n\n    $ vault namespace list',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    const answer = await doing(
      'Error listing namespaces',
      orMissing(client.send({ method: 'GET', path: 'sys/namespaces', query: { list: 'true' } })),
    );
    if (!answer?.data) {
      if (print.format === 'json') print.line('{}');
      else print.error('No namespaces found');
      return 2;
    }
    return print.keys(answer, 'sys/namespaces');
  },
};

const namespaceLookup: Command = {
  name: 'namespace lookup',
  synopsis: 'Look up an existing namespace',
  usage: '[options] PATH',
  help: 'Shows a namespace.\n\n    $ vault namespace lookup ns1',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const answer = await doing(
      'Error looking up namespace',
      orMissing(client.send({ method: 'GET', path: `sys/namespaces/${args[0] ?? ''}` })),
    );
    if (!answer) throw new CommandError('Namespace not found');
    return print.secret(answer);
  },
};

const namespaceCreate: Command = {
  name: 'namespace create',
  synopsis: 'Create a new namespace',
  usage: '[options] PATH',
  help: 'Makes a namespace.\n\n    $ vault namespace create ns1',
  http: true,
  output: 'field',
  flags: namespaceFlags,
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    const custom = flags.map('custom-metadata');
    const body = Object.keys(custom).length > 0 ? { custom_metadata: custom } : {};
    const answer = await doing(
      'Error creating namespace',
      client.send({ method: 'POST', path: `sys/namespaces/${args[0] ?? ''}`, body }),
    );
    return answer ? print.secret(answer) : 0;
  },
};

const namespaceDelete: Command = {
  name: 'namespace delete',
  synopsis: 'Delete an existing namespace',
  usage: '[options] PATH',
  help: 'Removes a namespace with all that it keeps.\n\n    $ vault namespace delete ns1',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = `${(args[0] ?? '').replace(/\/+$/, '')}/`;
    await doing(
      'Error deleting namespace',
      client.send({ method: 'DELETE', path: `sys/namespaces/${path.slice(0, -1)}` }),
    );
    print.line(`Success! Namespace deletion scheduled: ${path}`);
    return 0;
  },
};

const completion: Command = {
  name: 'completion',
  synopsis: 'Prints shell completion',
  usage: 'bash|zsh|fish',
  help: 'Prints what a shell must read to complete the words of this program.\n\n    $ vault completion bash >> ~/.bashrc',
  arguments: { min: 1, max: 1 },
  run({ args, print, program }) {
    const script = completionScript(args[0] ?? '', program);
    if (script === undefined) throw new UsageError(`unknown shell "${args[0] ?? ''}": expected bash, zsh or fish`);
    print.line(script);
    return 0;
  },
};

const server: Command = {
  name: 'server',
  synopsis: 'Start a Coffer server',
  usage: '[options]',
  help: 'Starts a server that answers API requests.\n\n    $ vault server -config=/etc/vault/config.hcl\n\nA development server keeps everything in memory and starts unsealed:\n\n    $ vault server -dev -dev-root-token-id="root"\n\nOptions: -config, -dev, -dev-root-token-id, -dev-listen-address, -dev-tls, -dev-tls-cert-dir, -dev-no-store-token, -dev-no-kv, -dev-kv-v1, -log-level, -log-format, -test.',
  arguments: { min: 0, max: many },
  async run({ args }) {
    const { runServer } = await import('@coffer/server');
    return runServer(args);
  },
};

export const miscCommands: readonly Command[] = [
  version,
  printToken,
  unwrap,
  leaseLookup,
  leaseRenew,
  leaseRevoke,
  auditList,
  auditEnable,
  auditDisable,
  pathHelp,
  namespaceList,
  namespaceLookup,
  namespaceCreate,
  namespaceDelete,
  completion,
  server,
];
