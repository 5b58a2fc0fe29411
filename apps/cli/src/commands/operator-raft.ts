import { readFileSync } from 'node:fs';
import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { titledTable } from '../output/table.ts';
import { orMissing } from './generic.ts';

const listPeers: Command = {
  name: 'operator raft list-peers',
  synopsis: 'Returns the Raft peer set',
  usage: '[options]',
  help: 'Lists the members of the Raft cluster.\n\n    $ vault operator raft list-peers',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
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
  usage: '[options] <leader-api-addr>',
  help: 'Makes a node join the cluster of another one.\n\n    $ vault operator raft join "http://127.0.0.2:8200"',
  http: true,
  output: 'format',
  flags: [
    { name: 'leader-ca-cert', kind: 'text', value: 'string', help: 'CA certificate of the leader, or @file.' },
    { name: 'leader-client-cert', kind: 'text', value: 'string', help: 'Client certificate to show, or @file.' },
    { name: 'leader-client-key', kind: 'text', value: 'string', help: 'Key of the client certificate, or @file.' },
    { name: 'retry', kind: 'bool', help: 'Try again until it succeeds.' },
    { name: 'non-voter', kind: 'bool', help: 'Join without a vote.' },
  ],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args, print }) {
    const body = {
      leader_api_addr: (args[0] ?? '').trim(),
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

const removePeer: Command = {
  name: 'operator raft remove-peer',
  synopsis: 'Removes a node from the Raft cluster',
  usage: '[options] <server_id>',
  help: 'Removes a node from the Raft cluster.\n\n    $ vault operator raft remove-peer node1',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    await doing(
      'Error removing the peer from raft cluster',
      client.send({
        method: 'POST',
        path: 'sys/storage/raft/remove-peer',
        body: { server_id: (args[0] ?? '').trim() },
      }),
    );
    print.line('Peer removed successfully!');
    return 0;
  },
};

export const operatorRaftCommands: readonly Command[] = [listPeers, join, removePeer];
