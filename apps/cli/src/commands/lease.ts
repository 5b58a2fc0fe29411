import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';

const leaseLookup: Command = {
  name: 'lease lookup',
  synopsis: 'Lookup the lease of a secret',
  usage: '[options] ID',
  help: 'Shows a lease.\n\n    $ vault lease lookup database/creds/readonly/2f6a614c',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 1, text: '1' },
  async run({ client, args, print }) {
    if (args.length === 0) throw new UsageError('Missing ID!');
    const id = (args[0] ?? '').trim();
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
  arguments: { min: 0, max: 1, text: '1-2' },
  async run({ client, flags, args, print }) {
    if (args.length === 0) throw new UsageError('Missing ID!');
    const id = (args[0] ?? '').trim();
    const increment = flags.seconds('increment');
    const answer = await doing(
      `Error renewing ${id}`,
      client.send({ method: 'PUT', path: 'sys/leases/renew', body: { increment, lease_id: id } }),
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
    const id = (args[0] ?? '').trim();
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
        client.send({ method: 'PUT', path: `sys/leases/revoke/${id}`, body: { sync } }),
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

export const leaseCommands: readonly Command[] = [leaseLookup, leaseRenew, leaseRevoke];
