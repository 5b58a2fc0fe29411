import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { ClusterConfig } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { Member, Members } from '../disk/members.ts';
import { endpointOf } from '../transport/endpoint.ts';

/** Below the storage folder, where Vault has it. */
const PEERS_FILE = 'raft/peers.json';
const FILE_BYTES_MAX = 1 << 20;
/**
 * The survivors may have heard of different numbers of nodes that joined last; the numbers to come begin beyond what any
 * of them can have heard of (there is one change of members at a time).
 */
const NUMBERS_SKIPPED = 16;

interface ListedPeer {
  readonly id: string;
  readonly address: string;
  readonly nonVoter: boolean;
}

/**
 * After the loss of most voters people say who is left: `raft/peers.json` in the storage folder of each survivor, in
 * Vault's form: `[{"id": "node-1", "address": "10.0.0.1:8201", "non_voter": false}, …]`. Makes these the members, before
 * the node takes part in anything, and removes the file. The log is left as it is: what most of the new members have of
 * it becomes committed by an election among them, as ever.
 *
 * @throws StorageError `disk` where the file is wrong or does not fit this disk; then nothing is changed
 */
export async function recoverFromPeersFile(disk: LevelDisk, config: ClusterConfig, log: Log): Promise<void> {
  const path = join(config.path, PEERS_FILE);
  const text = await readIfThere(path);
  if (text === undefined) return;
  const members = membersAfter(disk, readPeers(text), config.nodeId);
  await disk.recover(members);
  await rm(path);
  log.warn('the members were replaced by those of raft/peers.json, which is removed now', {
    members: members.list.map(({ nodeId, clusterAddress }) => `${nodeId} ${clusterAddress}`),
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > FILE_BYTES_MAX) throw wrong('it is too long');
    return bytes.toString('utf8');
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new StorageError('disk', 'raft/peers.json cannot be read', { cause: error });
  }
}

function membersAfter(disk: LevelDisk, peers: readonly ListedPeer[], self: string): Members {
  const { identity, members } = disk;
  if (identity === undefined || disk.blank) throw wrong('this node belongs to no cluster yet');
  if (identity.removed === true) throw wrong('this node was removed from its cluster');
  if (!peers.some(({ id }) => id === self)) throw wrong(`expected an entry with the id of this node, "${self}"`);
  const list = peers.map(({ id, address }): Member => {
    const known = members.list.find((member) => member.nodeId === id);
    if (known === undefined) {
      const names = members.list.map(({ nodeId }) => nodeId).join(', ');
      throw wrong(`"${id}" is no member (those are ${names}): let it join after the recovery`);
    }
    return { ...known, clusterAddress: `https://${address.replace(/^[a-z]+:\/\//, '')}`, promote: false };
  });
  const numbersOf = (nonVoter: boolean): number[] =>
    list.filter((_, at) => peers[at]?.nonVoter === nonVoter).map(({ peer }) => peer);
  const voters = numbersOf(false).sort((left, right) => left - right);
  if (voters.length === 0) throw wrong('expected at least one voter');
  const learners = numbersOf(true).sort((left, right) => left - right);
  return {
    membership: { voters, votersOutgoing: [], learners, learnersNext: [] },
    list: list.sort((left, right) => left.peer - right.peer),
    nextPeer: members.nextPeer + NUMBERS_SKIPPED,
  };
}

function readPeers(text: string): readonly ListedPeer[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw wrong('it is not JSON');
  }
  if (!Array.isArray(parsed) || parsed.length === 0) throw wrong('expected a list of peers');
  const peers = parsed.map(readPeer);
  const ids = new Set(peers.map(({ id }) => id));
  if (ids.size < peers.length) throw wrong('an id is in it twice');
  return peers;
}

function readPeer(raw: unknown, at: number): ListedPeer {
  const fields = new Map(typeof raw === 'object' && raw !== null ? Object.entries(raw) : []);
  const id = fields.get('id');
  const address = fields.get('address');
  const nonVoter = fields.get('non_voter') ?? false;
  const where = `entry ${at + 1}`;
  if (typeof id !== 'string' || id === '') throw wrong(`${where}: expected "id", the name of a node`);
  if (typeof nonVoter !== 'boolean') throw wrong(`${where}: expected true or false as "non_voter"`);
  if (typeof address !== 'string' || !isAddress(address)) {
    throw wrong(`${where}: expected "address", a cluster address such as "10.0.0.1:8201"`);
  }
  return { id, address, nonVoter };
}

function isAddress(address: string): boolean {
  try {
    return endpointOf(address).host !== '' && /:\d+\/?$/.test(address);
  } catch {
    return false;
  }
}

function wrong(text: string): StorageError {
  return new StorageError('disk', `raft/peers.json: ${text}`);
}
