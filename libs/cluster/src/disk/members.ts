import { StorageError, type NodeAddress } from '@coffer/storage';
import type { Membership, PeerId } from 'raft-ts';

/** What a member says of itself that decides whether it votes. */
export interface MemberTraits {
  /** Of its program. */
  readonly version: string;
  /** By which upgrades go, where that is not `version`. */
  readonly upgradeVersion?: string;
  readonly zone?: string;
}

/** A member of the cluster with its raft number. */
export interface Member extends NodeAddress {
  readonly peer: PeerId;
  /** A learner that autopilot may give a vote: at once when it is fit, or when its zone or version has need of it. */
  readonly promote: boolean;
  /** As it told a leader last; undefined until it did. */
  readonly traits?: MemberTraits;
}

/** Who belongs to the cluster, as of the applied index; part of the replicated state. */
export interface Members {
  readonly membership: Membership;
  readonly list: readonly Member[];
  /** The number of the next node that joins; numbers are never used again. */
  readonly nextPeer: PeerId;
}

export const NO_MEMBERS: Members = {
  membership: { voters: [], votersOutgoing: [], learners: [], learnersNext: [] },
  list: [],
  nextPeer: 1,
};

/** What travels in the context of a membership change: the member that it is about. */
export function encodeMemberContext(member: Member | undefined): Uint8Array {
  return member === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(member));
}

/** @throws StorageError `corrupt` */
export function decodeMemberContext(context: Uint8Array): Member | undefined {
  if (context.length === 0) return undefined;
  return readMember(parse(context, 'context of a membership change'));
}

export function encodeMembers(members: Members): Uint8Array {
  return Buffer.from(JSON.stringify(members));
}

/** @throws StorageError `corrupt` */
export function decodeMembers(bytes: Uint8Array): Members {
  const what = 'list of members';
  const raw = record(parse(bytes, what), what);
  const membership = record(raw['membership'], what);
  if (!Array.isArray(raw['list'])) throw damaged(what);
  return {
    membership: {
      voters: numbers(membership['voters'], what),
      votersOutgoing: numbers(membership['votersOutgoing'], what),
      learners: numbers(membership['learners'], what),
      learnersNext: numbers(membership['learnersNext'], what),
    },
    list: raw['list'].map(readMember),
    nextPeer: number(raw['nextPeer'], what),
  };
}

/** The list with a member added or replaced, and without those that are no longer members. */
export function withMember(members: Members, membership: Membership, member: Member | undefined): Members {
  const others = members.list.filter((known) => known.peer !== member?.peer);
  const all = member === undefined ? others : [...others, member];
  const isMember = new Set([...membership.voters, ...membership.votersOutgoing, ...membership.learners]);
  return {
    membership,
    list: all.filter((known) => isMember.has(known.peer)).sort((left, right) => left.peer - right.peer),
    nextPeer: Math.max(members.nextPeer, (member?.peer ?? 0) + 1),
  };
}

function readMember(raw: unknown): Member {
  const what = 'member';
  const from = record(raw, what);
  return {
    peer: number(from['peer'], what),
    nodeId: text(from['nodeId'], what),
    apiAddress: text(from['apiAddress'], what),
    clusterAddress: text(from['clusterAddress'], what),
    promote: from['promote'] === true,
    ...readTraits(from['traits'], what),
  };
}

/** Absent where a program that knows no traits wrote the member. */
function readTraits(raw: unknown, what: string): Pick<Member, 'traits'> {
  if (raw === undefined) return {};
  const from = record(raw, what);
  const optional = (name: 'upgradeVersion' | 'zone'): Partial<MemberTraits> =>
    from[name] === undefined ? {} : { [name]: text(from[name], what) };
  return { traits: { version: text(from['version'], what), ...optional('upgradeVersion'), ...optional('zone') } };
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch (cause) {
    throw new StorageError('corrupt', `damaged ${what}`, { cause });
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw damaged(what);
  return value as Record<string, unknown>;
}

function number(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw damaged(what);
  return value as number;
}

function numbers(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) throw damaged(what);
  return value.map((item) => number(item, what));
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(what);
  return value;
}

function damaged(what: string): StorageError {
  return new StorageError('corrupt', `damaged ${what}`);
}
