import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';

/** What `sys/storage/raft/` asks of the node; only where the store is raft. */
export interface RaftOperations {
  configuration(): { readonly index: number; readonly servers: readonly RaftServer[] };
  /** Prepares this node to join; the unseal shares given to it afterwards are for that cluster. */
  join(request: RaftJoinRequest): Promise<{ readonly joined: boolean }>;
  removePeer(serverId: string): Promise<void>;
  /** On the active node, for a node that asks to join: the answer in JSON. */
  challenge(serverId: string, source: string): Promise<Readonly<Record<string, unknown>>>;
  answer(serverId: string, source: string, answer: string): Promise<Readonly<Record<string, unknown>>>;
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
  readonly leaderApiAddress: string;
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
        auto_join: field.string('Not available: name the node by leader_api_addr.'),
      },
      help: { synopsis: 'Makes this node join a cluster.' },
      unauthenticated: true,
      whileSealed: true,
      update: {
        summary: 'Join',
        runs: 'local',
        handler: async (_: unknown, fields): Promise<Response> => {
          if (fields.leader_api_addr === '')
            throw badRequest('leader_api_addr: expected the address of a node of the cluster');
          const joined = await raft.join({
            leaderApiAddress: fields.leader_api_addr,
            nonVoter: fields.non_voter,
            retry: fields.retry,
            ...(fields.leader_ca_cert ? { caCertificate: fields.leader_ca_cert } : {}),
            ...(fields.leader_client_cert ? { clientCertificate: fields.leader_client_cert } : {}),
            ...(fields.leader_client_key ? { clientKey: fields.leader_client_key } : {}),
          });
          return { bare: true, data: joined };
        },
      },
    }),
    definePath('storage/raft/remove-peer', {
      fields: { server_id: field.string('Name of the node.', { default: '' }) },
      help: { synopsis: 'Removes a node from the cluster.' },
      sudo: true,
      update: {
        summary: 'Remove a node',
        handler: async (_: unknown, fields): Promise<undefined> => {
          if (fields.server_id === '') throw badRequest('no server id provided');
          await raft.removePeer(fields.server_id);
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
