import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';

/** What `sys/storage/raft/` asks of the node; only where the store is raft. */
export interface RaftOperations {
  configuration(): { readonly index: number; readonly servers: readonly RaftServer[] };
  /**
   * Prepares this node to join; the unseal shares given to it afterwards are for that cluster. A node that is a member
   * already learns where the named one is, which must be of the same cluster: for when all addresses changed. One that has
   * a leader takes addresses of members only, and asks nobody.
   */
  join(request: RaftJoinRequest): Promise<{ readonly joined: boolean }>;
  /** @throws RequestError where it cannot be */
  removePeer(serverId: string): Promise<void>;
  promotePeer(serverId: string): Promise<void>;
  demotePeer(serverId: string): Promise<void>;
  /** Which node this is and where its cluster port is; also while sealed. */
  whereabouts(): Whereabouts;
  /** On the active node, for a node that asks to join: the answer in JSON. */
  challenge(serverId: string, source: string): Promise<Readonly<Record<string, unknown>>>;
  answer(serverId: string, source: string, answer: string): Promise<Readonly<Record<string, unknown>>>;
}

/** Where a node's cluster port is, and its leader's as far as it follows one. */
export interface Whereabouts {
  readonly nodeId: string;
  readonly clusterAddress: string;
  /** Empty: it belongs to none yet. */
  readonly clusterId: string;
  readonly leader?: { readonly nodeId: string; readonly clusterAddress: string };
}

export interface RaftServer {
  readonly nodeId: string;
  readonly address: string;
  readonly leader: boolean;
  readonly voter: boolean;
  readonly protocolVersion: string;
}

/** PEM texts, as Vault's API takes them. */
export interface RaftJoinRequest {
  /** Empty where `autoJoin` says how to find nodes. */
  readonly leaderApiAddress: string;
  readonly autoJoin?: string;
  readonly autoJoinScheme?: string;
  readonly autoJoinPort?: number;
  readonly tlsServerName?: string;
  readonly caCertificate?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly nonVoter: boolean;
  readonly retry: boolean;
}

/** `sys/storage/raft/…`. */
export function raftPaths(raft: RaftOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('storage/raft/configuration', {
      fields: {},
      help: { synopsis: 'The members of the raft cluster.' },
      read: {
        summary: 'The members',
        runs: 'active',
        handler: (): Response => {
          const { index, servers } = raft.configuration();
          const shown = servers.map((server) => ({
            node_id: server.nodeId,
            address: server.address,
            leader: server.leader,
            protocol_version: server.protocolVersion,
            voter: server.voter,
          }));
          return { data: { config: { index, servers: shown } } };
        },
      },
    }),
    definePath('storage/raft/join', {
      fields: {
        leader_api_addr: field.string('Address of a node of the cluster to join.', { default: '' }),
        leader_ca_cert: field.string('Certificate authority of that address, in PEM.'),
        leader_client_cert: field.string('Client certificate to show there, in PEM.'),
        leader_client_key: field.string('Key of the client certificate, in PEM.', { secret: true }),
        retry: field.bool('Try again until it succeeds.', { default: false }),
        non_voter: field.bool('Join without a vote.', { default: false }),
        auto_join: field.string(
          'How to find nodes instead: "provider=dns name=…", "provider=k8s …", "provider=aws …".',
          {
            secret: true,
          },
        ),
        auto_join_scheme: field.string('Scheme of the addresses found: https or http.'),
        auto_join_port: field.int('Port of the addresses found.'),
        leader_tls_servername: field.string('The name that the certificate of that address is for.'),
      },
      help: { synopsis: 'Makes this node join a cluster.' },
      unauthenticated: true,
      whileSealed: true,
      update: {
        summary: 'Join',
        runs: 'local',
        handler: async (_: unknown, fields): Promise<Response> => {
          if (fields.leader_api_addr === '' && !fields.auto_join)
            throw badRequest('leader_api_addr: expected the address of a node of the cluster');
          if (fields.leader_api_addr !== '' && fields.auto_join)
            throw badRequest('leader_api_addr and auto_join: expected one of them');
          const joined = await raft.join({
            leaderApiAddress: fields.leader_api_addr,
            nonVoter: fields.non_voter,
            retry: fields.retry,
            ...(fields.auto_join ? { autoJoin: fields.auto_join } : {}),
            ...(fields.auto_join_scheme ? { autoJoinScheme: fields.auto_join_scheme } : {}),
            ...(fields.auto_join_port ? { autoJoinPort: fields.auto_join_port } : {}),
            ...(fields.leader_tls_servername ? { tlsServerName: fields.leader_tls_servername } : {}),
            ...(fields.leader_ca_cert ? { caCertificate: fields.leader_ca_cert } : {}),
            ...(fields.leader_client_cert ? { clientCertificate: fields.leader_client_cert } : {}),
            ...(fields.leader_client_key ? { clientKey: fields.leader_client_key } : {}),
          });
          return { bare: true, data: joined };
        },
      },
    }),
    changePath('remove-peer', 'Removes a node from the cluster.', (id) => raft.removePeer(id)),
    changePath('promote', 'Gives a vote to a node that joined without one.', (id) => raft.promotePeer(id)),
    changePath('demote', 'Takes the vote of a node, which stays a member.', (id) => raft.demotePeer(id)),
    definePath('storage/raft/bootstrap/address', {
      fields: {},
      help: { synopsis: 'Which node this is, and where its cluster port is: for members that look for each other.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      read: {
        summary: 'The address of the cluster port',
        runs: 'local',
        handler: (): Response => {
          const { nodeId, clusterAddress, clusterId, leader } = raft.whereabouts();
          return {
            data: {
              node_id: nodeId,
              cluster_addr: clusterAddress,
              cluster_id: clusterId,
              ...(leader && { leader_node_id: leader.nodeId, leader_cluster_addr: leader.clusterAddress }),
            },
          };
        },
      },
    }),
    definePath('storage/raft/bootstrap/challenge', {
      fields: { server_id: field.string('Name of the node that asks.', { default: '' }) },
      help: { synopsis: 'A challenge that only a node with the same unseal keys can solve.' },
      unauthenticated: true,
      neverWrapped: true,
      update: {
        summary: 'Ask for a challenge',
        runs: 'active',
        handler: async (_: unknown, fields, { request }): Promise<Response> => {
          if (fields.server_id === '') throw badRequest('no server id provided');
          return { data: await raft.challenge(fields.server_id, request.connection.remoteAddress) };
        },
      },
    }),
    definePath('storage/raft/bootstrap/answer', {
      fields: {
        server_id: field.string('Name of the node that asks.', { default: '' }),
        answer: field.string('The solved challenge.', { default: '', secret: true }),
      },
      help: { synopsis: 'Takes a node in that solved its challenge.' },
      unauthenticated: true,
      neverWrapped: true,
      update: {
        summary: 'Answer a challenge',
        runs: 'active',
        handler: async (_: unknown, fields, { request }): Promise<Response> => {
          if (fields.server_id === '') throw badRequest('no server id provided');
          if (fields.answer === '') throw badRequest('no answer provided');
          return { data: await raft.answer(fields.server_id, request.connection.remoteAddress, fields.answer) };
        },
      },
    }),
  ];
}

/** A change of one member, named by `server_id`. */
function changePath(
  name: string,
  synopsis: string,
  change: (serverId: string) => Promise<void>,
): PathDeclaration<unknown> {
  return definePath(`storage/raft/${name}`, {
    fields: { server_id: field.string('Name of the node.', { default: '' }) },
    help: { synopsis },
    sudo: true,
    update: {
      summary: synopsis.replace(/\.$/, ''),
      handler: async (_: unknown, fields): Promise<undefined> => {
        if (fields.server_id === '') throw badRequest('no server id provided');
        await change(fields.server_id);
      },
    },
  });
}
