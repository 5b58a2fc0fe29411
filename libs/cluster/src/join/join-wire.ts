import { Secret } from '@coffer/kernel';
import type { JoinChallenge, JoinGrant, JoinSealer } from '../cluster.ts';
import type { NodeAddress } from '@coffer/storage';
import { JoinError } from './join-error.ts';

/**
 * Paths below `/v1/`, unauthenticated, answered by the active node (a standby forwards or redirects to it). Bodies are
 * JSON; answers are in `data` as with any other path; byte strings are base64:
 *
 * - challenge: `{"server_id": "node-2"}` → `{"challenge", "seal_config", "cluster_id"}`
 * - answer: `{"server_id": "node-2", "answer"}` → `{"grant"}`
 *
 * Where Vault sends the answer and the joiner's addresses in the clear and returns the TLS keys likewise, `answer` and
 * `grant` are encrypted with the seal's key here, so that a node in the middle learns nothing and can change nothing.
 */
export const CHALLENGE_PATH = 'sys/storage/raft/bootstrap/challenge';
export const ANSWER_PATH = 'sys/storage/raft/bootstrap/answer';

/** The longest answer that is looked at, in bytes. */
export const ANSWER_BYTES_MAX = 8192;

/** What each encrypted thing is for, so that none can be sent in place of another. */
export type Purpose = 'challenge' | 'answer' | 'grant';

/** A node that asks to join, and the challenge that it could read. */
export interface JoinAnswer {
  readonly challenge: Uint8Array;
  readonly joiner: NodeAddress;
  readonly nonVoter: boolean;
}

export function sealFor(purpose: Purpose, sealer: JoinSealer, contents: Uint8Array): Uint8Array {
  return sealer.encrypt(Buffer.concat([labelOf(purpose), contents]));
}

/** @throws JoinError `wrong-key` */
export function openFor(purpose: Purpose, sealer: JoinSealer, sealed: Uint8Array): Buffer {
  let opened: Buffer;
  try {
    opened = Buffer.from(sealer.decrypt(sealed));
  } catch (cause) {
    throw new JoinError('wrong-key', `the ${purpose} was encrypted with another seal key`, { cause });
  }
  const label = labelOf(purpose);
  if (!opened.subarray(0, label.length).equals(label)) {
    throw new JoinError('wrong-key', `what should be the ${purpose} is something else`);
  }
  return opened.subarray(label.length);
}

export function challengeToJson(challenge: JoinChallenge): Record<string, string> {
  return {
    challenge: toBase64(challenge.sealed),
    seal_config: toBase64(challenge.sealConfig),
    cluster_id: challenge.clusterId,
  };
}

/** @throws JoinError `malformed` */
export function challengeFromJson(data: unknown): JoinChallenge {
  const fields = fieldsOf(data, 'challenge');
  return {
    clusterId: text(fields, 'cluster_id'),
    sealed: fromBase64(text(fields, 'challenge')),
    sealConfig: fromBase64(text(fields, 'seal_config')),
  };
}

export function encodeAnswer(answer: JoinAnswer): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      challenge: toBase64(answer.challenge),
      ...addressToJson(answer.joiner),
      non_voter: answer.nonVoter,
    }),
  );
}

/** @throws JoinError `malformed` */
export function decodeAnswer(bytes: Buffer): JoinAnswer {
  const fields = fieldsOf(parseJson(bytes, 'answer'), 'answer');
  return {
    challenge: fromBase64(text(fields, 'challenge')),
    joiner: addressFrom(fields),
    nonVoter: fields.get('non_voter') === true,
  };
}

/** A grant as it is encrypted; `challenge` ties it to what was asked. It holds the cluster's TLS key: wipe it after use. */
export function encodeGrant(grant: JoinGrant, challenge: Uint8Array): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      challenge: toBase64(challenge),
      cluster_id: grant.clusterId,
      peer_id: grant.peerId,
      ca_certificate: grant.tls.caCertificate,
      ca_key: grant.tls.caKey.reveal(),
      peers: grant.peers.map((peer) => ({ ...addressToJson(peer), peer_id: peer.peerId })),
    }),
  );
}

/** @throws JoinError `malformed` */
export function decodeGrant(bytes: Buffer): { readonly grant: JoinGrant; readonly challenge: Uint8Array } {
  const fields = fieldsOf(parseJson(bytes, 'grant'), 'grant');
  const peers = fields.get('peers');
  if (!Array.isArray(peers)) throw malformed('grant');
  return {
    challenge: fromBase64(text(fields, 'challenge')),
    grant: {
      clusterId: text(fields, 'cluster_id'),
      peerId: peerIdOf(fields),
      tls: { caCertificate: text(fields, 'ca_certificate'), caKey: new Secret(text(fields, 'ca_key')) },
      peers: peers.map((peer) => {
        const member = fieldsOf(peer, 'grant');
        return { ...addressFrom(member), peerId: peerIdOf(member) };
      }),
    },
  };
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Strict: no other characters, nothing cut off. @throws JoinError `malformed` */
export function fromBase64(encoded: string): Uint8Array {
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) throw new JoinError('malformed', 'not base64');
  return bytes;
}

/** The fields of a JSON object, safe from names like `__proto__`. @throws JoinError `malformed` */
export function fieldsOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what);
  return new Map(Object.entries(value));
}

/** @throws JoinError `malformed`, naming the field */
export function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string' || value === '') throw new JoinError('malformed', `"${name}" must be a text`);
  return value;
}

function labelOf(purpose: Purpose): Buffer {
  return Buffer.from(`coffer-join/${purpose}\0`);
}

function addressToJson(address: NodeAddress): Record<string, string> {
  return { node_id: address.nodeId, api_addr: address.apiAddress, cluster_addr: address.clusterAddress };
}

function addressFrom(fields: ReadonlyMap<string, unknown>): NodeAddress {
  return {
    nodeId: text(fields, 'node_id'),
    apiAddress: text(fields, 'api_addr'),
    clusterAddress: text(fields, 'cluster_addr'),
  };
}

function peerIdOf(fields: ReadonlyMap<string, unknown>): number {
  const peerId = fields.get('peer_id');
  if (!Number.isSafeInteger(peerId) || (peerId as number) < 1) throw malformed('grant');
  return peerId as number;
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's own message would quote what it read.
    throw malformed(what);
  }
}

function malformed(what: string): JoinError {
  return new JoinError('malformed', `the ${what} is malformed`);
}
