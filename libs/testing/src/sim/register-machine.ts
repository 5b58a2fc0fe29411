import type { Entry, LogIndex, Membership, PeerId, Term } from 'raft-ts';
import type { RegisterInput, RegisterOutput } from '../linearizability/index.ts';

/** A write of a client, as it is in the log. `id` is unique in a simulation. */
export interface Command {
  readonly id: number;
  readonly input: Exclude<RegisterInput, { readonly kind: 'get' }>;
}

/** What a node's log led to: registers, the members, and a digest of all that was applied. Never changed in place. */
export interface MachineState {
  readonly applied: LogIndex;
  /** The term of the entry at `applied`. */
  readonly term: Term;
  readonly membership: Membership;
  readonly values: ReadonlyMap<string, string>;
  /** Equal on two nodes that applied the same entries in the same order. */
  readonly digest: number;
}

export const NO_MEMBERS: Membership = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };

/** The state of a node that knows nothing yet. */
export const BLANK_STATE: MachineState = {
  applied: 0,
  term: 0,
  membership: NO_MEMBERS,
  values: new Map(),
  digest: 0x811c9dc5,
};

/** Whether a membership has a place for the peer. */
export function isMember(membership: Membership, peer: PeerId): boolean {
  return [membership.voters, membership.votersOutgoing, membership.learners, membership.learnersNext].some((group) =>
    group.includes(peer),
  );
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What was decoded or digested before: simulated nodes share the bytes, and nobody changes them. */
const commands = new WeakMap<Uint8Array, Command>();
const digests = new WeakMap<Entry, number>();

export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify(command));
}

export function decodeCommand(data: Uint8Array): Command {
  const known = commands.get(data);
  if (known !== undefined) return known;
  const command = JSON.parse(decoder.decode(data)) as Command;
  commands.set(data, command);
  return command;
}

/** The state after a write, and what the client is told. */
export function applyCommand(
  values: ReadonlyMap<string, string>,
  { input }: Command,
): { readonly values: ReadonlyMap<string, string>; readonly output: RegisterOutput } {
  if (input.kind === 'cas' && values.get(input.key) !== input.expected) {
    return { values, output: { kind: 'compared', swapped: false } };
  }
  const changed = new Map(values);
  changed.set(input.key, input.value);
  return { values: changed, output: input.kind === 'put' ? { kind: 'stored' } : { kind: 'compared', swapped: true } };
}

/** A digest of an entry's contents without its index. */
export function digestEntry(entry: Entry, seed: number): number {
  let digest = digests.get(entry);
  if (digest === undefined) {
    digest = digestContents(entry);
    digests.set(entry, digest);
  }
  return mix(mix(seed, entry.term), digest);
}

function digestContents(entry: Entry): number {
  switch (entry.kind) {
    case 'data':
      return digestBytes(entry.data, 1);
    case 'empty':
      return 2;
    case 'membership':
      return digestBytes(encoder.encode(JSON.stringify(entry.change)), 3);
  }
}

function digestBytes(bytes: Uint8Array, seed: number): number {
  let digest = seed;
  for (const byte of bytes) digest = mix(digest, byte);
  return digest;
}

/** One step of FNV-1a (Fowler, Noll and Vo), of a whole number instead of a byte. */
export function mix(digest: number, value: number): number {
  return Math.imul(digest ^ value, 0x01000193) >>> 0;
}
