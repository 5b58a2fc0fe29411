import { readFileSync } from 'node:fs';
import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { titledTable } from '../output/table.ts';
import { orMissing } from './generic.ts';

const listPeers: Command = {
  name: 'operator raft list-peers',
  synopsis: 'Returns the Raft peer set',
  usage: '[options]',
  help: 'Lists the members of the Raft cluster.\n\n    $ vault operator raft list-peers',
  http: true,
  output: 'format',
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  async run({ client, print }) {
    const answer = await doing(
      'Error reading the raft cluster configuration',
      orMissing(client.send({ method: 'GET', path: 'sys/storage/raft/configuration' })),
    );
    const config = answer?.data?.config as
      { readonly servers?: readonly Readonly<Record<string, unknown>>[] } | undefined;
    if (!answer || !config?.servers) throw new CommandError('No raft cluster configuration found');
    if (print.format !== 'table') return print.secret(answer);
    const rows = config.servers.map((server) => [
      String(server.node_id),
      String(server.address),
      server.leader === true ? 'leader' : 'follower',
      String(server.voter),
    ]);
    print.line(titledTable(['Node', 'Address', 'State', 'Voter'], rows));
    return 0;
  },
};

const fileOr = (text: string | undefined): string | undefined =>
  text?.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text;

const join: Command = {
  name: 'operator raft join',
  synopsis: 'Joins a node to the Raft cluster',
  usage: '[options] <leader-api-addr|auto-join-configuration>',
  help: 'Makes a node join the cluster of another one, or of those that a directory knows. On a member: tells it where\nanother one is now, for when all addresses changed.\n\n    $ vault operator raft join "http://127.0.0.2:8200"\n    $ vault operator raft join "provider=dns name=coffer.example.com"',
  http: true,
  output: 'format',
  flags: [
    { name: 'auto-join-scheme', kind: 'text', value: 'string', help: 'Scheme of the addresses that were found.' },
    { name: 'auto-join-port', kind: 'int', help: 'Port of the addresses that were found.' },
    { name: 'leader-tls-servername', kind: 'text', value: 'string', help: 'Name in the certificate of the leader.' },
    { name: 'leader-ca-cert', kind: 'text', value: 'string', help: 'CA certificate of the leader, or @file.' },
    { name: 'leader-client-cert', kind: 'text', value: 'string', help: 'Client certificate to show, or @file.' },
    { name: 'leader-client-key', kind: 'text', value: 'string', help: 'Key of the client certificate, or @file.' },
    { name: 'retry', kind: 'bool', help: 'Try again until it succeeds.' },
    { name: 'non-voter', kind: 'bool', help: 'Join without a vote.' },
  ],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    const where = (args[0] ?? '').trim();
    const found = /(?:^|\s)provider=/.test(where);
    const body = {
      auto_join: found ? where : '',
      auto_join_scheme: flags.text('auto-join-scheme') ?? '',
      auto_join_port: flags.int('auto-join-port') ?? 0,
      leader_api_addr: found ? '' : where,
      ...(flags.has('leader-tls-servername') ? { leader_tls_servername: flags.text('leader-tls-servername') } : {}),
      leader_ca_cert: fileOr(flags.text('leader-ca-cert')) ?? '',
      leader_client_cert: fileOr(flags.text('leader-client-cert')) ?? '',
      leader_client_key: fileOr(flags.text('leader-client-key')) ?? '',
      retry: flags.bool('retry'),
      non_voter: flags.bool('non-voter'),
    };
    const answer = await doing(
      'Error joining the node to the Raft cluster',
      client.send({ method: 'POST', path: 'sys/storage/raft/join', body }),
    );
    const joined = { joined: answer?.joined === true };
    if (!print.value(joined)) print.line(`Key       Value\n---       -----\nJoined    ${String(joined.joined)}`);
    return 0;
  },
};

/** A command that changes one member. */
function change(
  verb: 'remove-peer' | 'promote' | 'demote',
  texts: { readonly synopsis: string; readonly failed: string; readonly done: string },
): Command {
  return {
    name: `operator raft ${verb}`,
    synopsis: texts.synopsis,
    usage: '[options] <server_id>',
    help: `${texts.synopsis}.\n\n    $ vault operator raft ${verb} node1`,
    http: true,
    output: 'format',
    arguments: { min: 1, max: 1 },
    async run({ client, args, print }) {
      const body = { server_id: (args[0] ?? '').trim() };
      if (body.server_id === '') throw new UsageError('Server id is required');
      await doing(texts.failed, client.send({ method: 'PUT', path: `sys/storage/raft/${verb}`, body }));
      print.line(texts.done);
      return 0;
    },
  };
}

const removePeer = change('remove-peer', {
  synopsis: 'Removes a node from the Raft cluster',
  failed: 'Error removing the peer from raft cluster',
  done: 'Peer removed successfully!',
});

const promote = change('promote', {
  synopsis: 'Promotes a permanent non-voter to a voter',
  failed: 'Error promoting server',
  done: 'Server promoted successfully!',
});

const demote = change('demote', {
  synopsis: 'Demotes a voter to a permanent non-voter',
  failed: 'Error demoting server',
  done: 'Server demoted successfully!',
});

export const operatorRaftCommands: readonly Command[] = [listPeers, join, removePeer, promote, demote];
