import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError, durationText } from '../flags.ts';

const create: Command = {
  name: 'token create',
  synopsis: 'Create a new token',
  usage: '[options]',
  help: 'Creates a new token that can be used for authentication.\n\n    $ vault token create -policy my-policy -policy other-policy',
  http: true,
  output: 'field',
  flags: [
    { name: 'display-name', kind: 'text', value: 'string', help: 'A name for the token.' },
    { name: 'entity-alias', kind: 'text', value: 'string', help: 'Alias of an entity; with a role only.' },
    {
      name: 'explicit-max-ttl',
      kind: 'duration',
      value: 'duration',
      help: 'A hard limit on how long the token lives.',
    },
    { name: 'id', kind: 'text', value: 'string', help: 'Value of the token.' },
    {
      name: 'metadata',
      kind: 'map',
      value: 'key=value',
      help: 'Text to keep with the token; may be given several times.',
    },
    { name: 'no-default-policy', kind: 'bool', help: 'Leave out the "default" policy.' },
    { name: 'orphan', kind: 'bool', help: 'Make the token without a parent.' },
    {
      name: 'period',
      kind: 'duration',
      value: 'duration',
      help: 'Each renewal sets the token to this TTL, without end.',
    },
    { name: 'policy', kind: 'texts', value: 'string', help: 'Name of a policy; may be given several times.' },
    { name: 'renewable', kind: 'bool', help: 'Whether the token can be renewed; true if left out.' },
    { name: 'role', kind: 'text', value: 'string', help: 'Role to make the token by.' },
    { name: 'ttl', kind: 'duration', value: 'duration', help: 'How long the token lives at first.' },
    { name: 'type', kind: 'text', value: 'string', help: 'Type of the token: "service" or "batch".' },
    { name: 'use-limit', kind: 'int', value: 'int', help: 'How often the token may be used.' },
  ],
  arguments: { min: 0, max: 0 },
  async run({ client, flags, print }) {
    const role = flags.text('role');
    const type = flags.text('type') ?? 'service';
    const policies = flags.texts('policy');
    const metadata = flags.map('metadata');
    const body = {
      ...(flags.has('id') ? { id: flags.text('id') } : {}),
      ...(policies.length > 0 ? { policies } : {}),
      ...(Object.keys(metadata).length > 0 ? { meta: metadata } : {}),
      ttl: durationText(flags.text('ttl')),
      explicit_max_ttl: durationText(flags.text('explicit-max-ttl')),
      period: durationText(flags.text('period')),
      ...(flags.bool('orphan') ? { no_parent: true } : {}),
      ...(flags.bool('no-default-policy') ? { no_default_policy: true } : {}),
      display_name: flags.text('display-name') ?? '',
      num_uses: flags.int('use-limit') ?? 0,
      ...(type === 'batch' ? {} : { renewable: flags.boolOr('renewable') ?? true }),
      type,
      entity_alias: flags.text('entity-alias') ?? '',
    };
    const path = role === undefined ? 'auth/token/create' : `auth/token/create/${role}`;
    const answer = await doing('Error creating token', client.send({ method: 'POST', path, body }));
    return answer ? print.secret(answer) : 0;
  },
};

const lookup: Command = {
  name: 'token lookup',
  synopsis: 'Display information about a token',
  usage: '[options] [TOKEN | ACCESSOR]',
  help: 'Displays information about a token; the own one if none is given.\n\n    $ vault token lookup 96ddf4bc-d217-f3ba-f9bd-017055595017',
  http: true,
  output: 'format',
  flags: [{ name: 'accessor', kind: 'bool', help: 'Take the argument for an accessor.' }],
  arguments: { min: 0, max: 1 },
  async run({ client, flags, args, print }) {
    const [value] = args;
    const byAccessor = flags.bool('accessor');
    if (byAccessor && value === undefined)
      throw new UsageError('Not enough arguments with -accessor (expected 1, got 0)');
    const request =
      value === undefined
        ? ({ method: 'GET', path: 'auth/token/lookup-self' } as const)
        : byAccessor
          ? ({ method: 'POST', path: 'auth/token/lookup-accessor', body: { accessor: value } } as const)
          : ({ method: 'POST', path: 'auth/token/lookup', body: { token: value } } as const);
    const answer = await doing('Error looking up token', client.send(request));
    return answer ? print.secret(answer) : 0;
  },
};

const renew: Command = {
  name: 'token renew',
  synopsis: 'Renew a token lease',
  usage: '[options] [TOKEN]',
  help: 'Renews the lease of a token; the own one if none is given.\n\n    $ vault token renew -increment=30m 96ddf4bc-d217-f3ba-f9bd-017055595017',
  http: true,
  output: 'format',
  flags: [
    { name: 'accessor', kind: 'bool', help: 'Take the argument for an accessor.' },
    {
      name: 'increment',
      kind: 'duration',
      value: 'duration',
      help: 'How long it is to live from now on.',
      aliases: ['i'],
    },
  ],
  arguments: { min: 0, max: 1 },
  async run({ client, flags, args, print }) {
    const [value] = args;
    const increment = flags.has('increment') ? { increment: durationText(flags.text('increment')) } : {};
    const request =
      value === undefined
        ? { path: 'auth/token/renew-self', body: increment }
        : flags.bool('accessor')
          ? { path: 'auth/token/renew-accessor', body: { accessor: value, ...increment } }
          : { path: 'auth/token/renew', body: { token: value, ...increment } };
    const answer = await doing('Error renewing token', client.send({ method: 'PUT', ...request }));
    return answer ? print.secret(answer) : 0;
  },
};

const revoke: Command = {
  name: 'token revoke',
  synopsis: 'Revoke a token and its children',
  usage: '[options] [TOKEN | ACCESSOR]',
  help: 'Revokes a token and all tokens below it.\n\n    $ vault token revoke 96ddf4bc-d217-f3ba-f9bd-017055595017',
  http: true,
  flags: [
    { name: 'accessor', kind: 'bool', help: 'Take the argument for an accessor.' },
    { name: 'self', kind: 'bool', help: 'Revoke the own token.' },
    {
      name: 'mode',
      kind: 'text',
      value: 'string',
      help: 'What to revoke: "orphan" leaves the children, "path" takes the argument for a path.',
    },
  ],
  arguments: { min: 0, max: 1 },
  async run({ client, flags, args, print }) {
    const [value] = args;
    const mode = flags.text('mode') ?? '';
    const self = flags.bool('self');
    const byAccessor = flags.bool('accessor');
    if (!self && value === undefined) throw new UsageError('Not enough arguments (expected 1 or -self, got 0)');
    if (self && value !== undefined) throw new UsageError('Too many arguments with -self (expected 0, got 1)');
    if (!['', 'orphan', 'path'].includes(mode)) throw new UsageError(`Invalid mode: ${mode}`);
    if (self && byAccessor) throw new UsageError('Cannot use -accessor with -self');
    if (mode !== '' && byAccessor) throw new UsageError(`Cannot use -accessor with -mode=${mode}`);
    const request = self
      ? { path: 'auth/token/revoke-self' }
      : byAccessor
        ? { path: 'auth/token/revoke-accessor', body: { accessor: value } }
        : mode === 'orphan'
          ? { path: 'auth/token/revoke-orphan', body: { token: value } }
          : mode === 'path'
            ? { path: `sys/revoke-prefix/${value ?? ''}` }
            : { path: 'auth/token/revoke', body: { token: value } };
    await doing('Error revoking token', client.send({ method: 'PUT', ...request }));
    print.line('Success! Revoked token (if it existed)');
    return 0;
  },
};

const capabilities: Command = {
  name: 'token capabilities',
  synopsis: 'Print capabilities of a token on a path',
  usage: '[options] [TOKEN] PATH',
  help: 'Prints what a token may do on a path; the own one if none is given.\n\n    $ vault token capabilities cubbyhole/foo',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 2 },
  async run({ client, args, print }) {
    const [first = '', second] = args;
    const request =
      second === undefined
        ? { path: 'sys/capabilities-self', body: { path: first } }
        : { path: 'sys/capabilities', body: { path: second, token: first } };
    const answer = await doing('Error listing capabilities', client.send({ method: 'POST', ...request }));
    const found = answer?.data?.capabilities;
    if (!Array.isArray(found)) throw new CommandError('Error listing capabilities: the answer has none');
    const names = found.map(String).sort();
    if (!print.value(names)) print.line(names.join(', '));
    return 0;
  },
};

export const tokenCommands: readonly Command[] = [create, lookup, renew, revoke, capabilities];
