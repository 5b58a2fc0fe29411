import type { Command } from '../command.ts';
import { ApiError } from '@coffer/api-client';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { orMissing } from './generic.ts';

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
    return print.keys(answer);
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

const namespacePatch: Command = {
  name: 'namespace patch',
  synopsis: 'Patch an existing namespace',
  usage: '[options] PATH',
  help: 'Changes what is kept with a namespace, and leaves the rest.\n\n    $ vault namespace patch -custom-metadata=team=payments ns1',
  http: true,
  output: 'field',
  flags: [
    ...namespaceFlags,
    {
      name: 'remove-custom-metadata',
      kind: 'texts',
      value: 'string',
      help: 'Name of a text to remove; may be given several times.',
    },
  ],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    if (!flags.has('custom-metadata') && !flags.has('remove-custom-metadata'))
      throw new UsageError('Must supply at least one of -custom-metadata or -remove-custom-metadata');
    const removed = flags.texts('remove-custom-metadata').map((name): [string, null] => [name, null]);
    const body = { custom_metadata: { ...flags.map('custom-metadata'), ...Object.fromEntries(removed) } };
    const request = { method: 'PATCH', path: `sys/namespaces/${args[0] ?? ''}`, body } as const;
    const answer = await client.send(request).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 404) throw new CommandError('Namespace not found');
      if (error instanceof ApiError) throw new CommandError(`Error patching namespace: ${error.message}`);
      throw error;
    });
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
    const path = `${(args[0] ?? '').trim().replace(/\/+$/, '')}/`;
    const answer = await doing(
      'Error deleting namespace',
      client.send({ method: 'DELETE', path: `sys/namespaces/${path.slice(0, -1)}` }),
    );
    if (answer?.data?.status) print.line(`Success! Namespace deletion scheduled: ${path}`);
    else print.error('Requested namespace does not exist');
    return 0;
  },
};

export const namespaceCommands: readonly Command[] = [
  namespaceList,
  namespaceLookup,
  namespaceCreate,
  namespacePatch,
  namespaceDelete,
];
