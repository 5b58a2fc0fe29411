import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { durationString } from '../go-duration.ts';

const many = Number.POSITIVE_INFINITY;

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
    const role = flags.text('role') || undefined;
    const duration = (name: string): string => durationString(flags.duration(name) ?? 0n);
    const type = flags.text('type') ?? 'service';
    const policies = flags.texts('policy');
    const metadata = flags.map('metadata');
    const body = {
      ...(flags.text('id') ? { id: flags.text('id') } : {}),
      ...(policies.length > 0 ? { policies } : {}),
      ...(Object.keys(metadata).length > 0 ? { meta: metadata } : {}),
      ttl: duration('ttl'),
      explicit_max_ttl: duration('explicit-max-ttl'),
      period: duration('period'),
      ...(flags.bool('orphan') ? { no_parent: true } : {}),
      ...(flags.bool('no-default-policy') ? { no_default_policy: true } : {}),
      display_name: flags.text('display-name') ?? '',
      num_uses: flags.int('use-limit') ?? 0,
      renewable: type === 'batch' ? false : (flags.boolOr('renewable') ?? true),
      ...(type === '' ? {} : { type }),
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
  arguments: { min: 0, max: many },
  async run({ client, flags, args, print }) {
    const value = args[0]?.trim() || undefined;
    const byAccessor = flags.bool('accessor');
    if (byAccessor && args.length !== 1)
      throw new UsageError(
        `${args.length < 1 ? 'Not enough' : 'Too many'} arguments with -accessor (expected 1, got ${String(args.length)})`,
      );
    if (args.length > 1) throw new UsageError(`Too many arguments (expected 0-1, got ${String(args.length)})`);
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
  arguments: { min: 0, max: 1, text: '1' },
  async run({ client, flags, args, print }) {
    const value = args[0]?.trim() || undefined;
    const increment = flags.seconds('increment');
    const request =
      value === undefined
        ? ({ method: 'PUT', path: 'auth/token/renew-self', body: { increment } } as const)
        : flags.bool('accessor')
          ? ({ method: 'POST', path: 'auth/token/renew-accessor', body: { accessor: value, increment } } as const)
          : ({ method: 'PUT', path: 'auth/token/renew', body: { increment, token: value } } as const);
    const answer = await doing('Error renewing token', client.send(request));
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
  arguments: { min: 0, max: many },
  async run({ client, flags, args, print }) {
    const value = args[0]?.trim() ?? '';
    const mode = flags.text('mode') ?? '';
    const [self, byAccessor] = [flags.bool('self'), flags.bool('accessor')];
    const got = `got ${String(args.length)}`;
    if (!['', 'orphan', 'path'].includes(mode)) throw new UsageError(`Invalid mode: ${mode}`);
    if (self && args.length > 0) throw new UsageError(`Too many arguments with -self (expected 0, ${got})`);
    if (!self && args.length > 1) throw new UsageError(`Too many arguments (expected 1 or -self, ${got})`);
    if (!self && args.length < 1) throw new UsageError(`Not enough arguments (expected 1 or -self, ${got})`);
    if (self && byAccessor) throw new UsageError('Cannot use -self with -accessor!');
    if (self && mode !== '') throw new UsageError('Cannot use -self with -mode!');
    if (byAccessor && mode !== '') throw new UsageError(`Cannot use -accessor with -mode=${mode}!`);
    const request = self
      ? ({ method: 'PUT', path: 'auth/token/revoke-self' } as const)
      : byAccessor
        ? ({ method: 'POST', path: 'auth/token/revoke-accessor', body: { accessor: value } } as const)
        : mode === 'orphan'
          ? ({ method: 'PUT', path: 'auth/token/revoke-orphan', body: { token: value } } as const)
          : mode === 'path'
            ? ({ method: 'PUT', path: `sys/leases/revoke-prefix/${value}` } as const)
            : ({ method: 'PUT', path: 'auth/token/revoke', body: { token: value } } as const);
    await doing('Error revoking token', client.send(request));
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
    const own = client.settings.token ?? '';
    const [token, path] = second === undefined || first === '' ? [own, second ?? first] : [first, second];
    const answer = await doing(
      'Error listing capabilities',
      client.send({
        method: 'POST',
        path: token === own ? 'sys/capabilities-self' : 'sys/capabilities',
        body: { path, token },
      }),
    );
    if (!answer?.data) throw new CommandError('Error listing capabilities: data from server response is empty');
    const named = Object.hasOwn(answer.data, path) ? answer.data[path] : undefined;
    const found = Array.isArray(named) && named.length > 0 ? named : answer.data.capabilities;
    if (!Array.isArray(found)) throw new CommandError('No capabilities found', 1);
    const names = found.map(String);
    if (!print.value(names)) print.line(names.sort().join(', '));
    return 0;
  },
};

export const tokenCommands: readonly Command[] = [create, lookup, renew, revoke, capabilities];
