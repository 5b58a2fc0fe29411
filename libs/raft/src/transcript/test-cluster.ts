import { assert } from '@coffer/kernel';
import { createRaft } from '../raft-core.ts';
import type { Entry, HardState, LogIndex, Membership, Message, PeerId, SnapshotMeta } from '../message.ts';
import type { Raft, RaftConfig, Ready } from '../raft.ts';
import { formatEntries, formatMembership, formatMessage, formatReady } from './format.ts';
import { MemoryLog } from './memory-log.ts';

export type NodeSettings = Omit<RaftConfig, 'id' | 'random'>;

export const DEFAULT_SETTINGS: NodeSettings = {
  electionTicks: 3,
  heartbeatTicks: 1,
  appendBytesMax: 1 << 20,
  inflightMax: 16,
  uncommittedBytesMax: 1 << 20,
};

/** A host in memory: what a disk would hold, and the core that is lost in a crash. */
class TestNode {
  readonly id: PeerId;
  readonly settings: NodeSettings;
  readonly log: MemoryLog;
  hardState: HardState;
  membership: Membership;
  applied: LogIndex;
  /** Undefined while it is down. */
  raft: Raft | undefined;
  /** Taken and not yet done. */
  outstanding: Ready | undefined;
  /** A snapshot that is being fetched. */
  fetching: { readonly from: PeerId; readonly meta: SnapshotMeta } | undefined;

  constructor(id: PeerId, settings: NodeSettings, start: SnapshotMeta) {
    this.id = id;
    this.settings = settings;
    this.log = new MemoryLog(start);
    this.hardState = { term: start.term, vote: 0, commit: start.index };
    this.membership = start.membership;
    this.applied = start.index;
  }

  start(): Raft {
    // Known beforehand: a lower id times out earlier.
    const random = (below: number): number => (this.id - 1) % below;
    const { hardState, membership, applied } = this;
    this.raft = createRaft({ id: this.id, ...this.settings, random }, { hardState, membership, applied }, this.log);
    return this.raft;
  }
}

/** Some nodes and what is on its way between them. Everything that comes out of the cores is told to `say`. */
export class TestCluster {
  readonly nodes = new Map<PeerId, TestNode>();
  readonly #isolated = new Set<PeerId>();
  #network: Message[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  add(id: PeerId, settings: NodeSettings, start: SnapshotMeta): void {
    assert(!this.nodes.has(id), 'transcript: a node is added once');
    const node = new TestNode(id, settings, start);
    this.nodes.set(id, node);
    node.start();
  }

  node(id: PeerId): TestNode {
    const node = this.nodes.get(id);
    assert(node !== undefined, 'transcript: no such node');
    return node;
  }

  raft(id: PeerId): Raft {
    const { raft } = this.node(id);
    assert(raft !== undefined, 'transcript: the node is down');
    return raft;
  }

  isolate(id: PeerId): void {
    this.#isolated.add(id);
  }

  rejoin(id: PeerId): void {
    this.#isolated.delete(id);
  }

  crash(id: PeerId): void {
    const node = this.node(id);
    node.raft = undefined;
    node.outstanding = undefined;
    node.fetching = undefined;
  }

  restart(id: PeerId): void {
    assert(this.node(id).raft === undefined, 'transcript: only what is down is restarted');
    this.node(id).start();
  }

  /** Takes a `Ready` and sends what may go before the disk is done. */
  takeReady(id: PeerId): void {
    const node = this.node(id);
    const ready = this.raft(id).ready();
    node.outstanding = ready;
    this.#say(`${id} is ready:`);
    for (const line of formatReady(ready)) this.#say(`  ${line}`);
    this.#send(ready.earlyMessages);
  }

  /** Writes, sends the rest, applies. */
  finishReady(id: PeerId): void {
    const node = this.node(id);
    const ready = node.outstanding;
    assert(ready !== undefined, 'transcript: there is nothing to finish');
    node.outstanding = undefined;
    const raft = this.raft(id);
    node.log.append(ready.entries);
    if (ready.hardState !== undefined) node.hardState = ready.hardState;
    if (ready.snapshot !== undefined) node.fetching = ready.snapshot;
    this.#send(ready.messages);
    for (const entry of ready.committed) this.#apply(node, raft, entry);
    raft.advance();
  }

  #apply(node: TestNode, raft: Raft, entry: Entry): void {
    assert(entry.index === node.applied + 1, 'transcript: entries are applied in order');
    node.applied = entry.index;
    if (entry.kind === 'membership') {
      node.membership = raft.applyMembership(entry.change);
      this.#say(`  now ${formatMembership(node.membership)}`);
    }
    raft.appliedTo(entry.index);
  }

  /** The snapshot being fetched arrives, or does not. */
  finishFetch(id: PeerId, outcome: 'sent' | 'failed'): void {
    const node = this.node(id);
    const { fetching } = node;
    assert(fetching !== undefined, 'transcript: no snapshot is being fetched');
    node.fetching = undefined;
    const { from, meta } = fetching;
    if (outcome === 'failed') {
      this.#say(`${id} fails to fetch ${meta.index}`);
      this.raft(id).snapshotFailed();
    } else {
      this.#say(`${id} installs ${meta.index}`);
      node.log.install(meta);
      node.membership = meta.membership;
      node.applied = meta.index;
      this.raft(id).snapshotInstalled(meta);
    }
    this.nodes.get(from)?.raft?.reportSnapshot(id, outcome);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (!this.#isolated.has(message.from) && !this.#isolated.has(message.to)) this.#network.push(message);
    }
  }

  /** Delivers what is on its way to some nodes, in order. */
  deliver(to: readonly PeerId[]): number {
    const due = this.#take((message) => to.includes(message.to));
    for (const message of due) {
      const raft = this.nodes.get(message.to)?.raft;
      this.#say(`${formatMessage(message)}${raft === undefined ? ' (nobody there)' : ''}`);
      raft?.step(message);
    }
    return due.length;
  }

  drop(matches: (message: Message) => boolean): void {
    for (const message of this.#take(matches)) this.#say(`lost ${formatMessage(message)}`);
  }

  #take(matches: (message: Message) => boolean): Message[] {
    const taken = this.#network.filter(matches);
    this.#network = this.#network.filter((message) => !taken.includes(message));
    return taken;
  }

  /** Lets some nodes work until there is nothing left to do. */
  stabilize(ids: readonly PeerId[]): void {
    for (let rounds = 0; ; rounds++) {
      assert(rounds < 200, 'transcript: it never comes to rest');
      let worked = false;
      for (const id of ids) {
        const node = this.node(id);
        if (node.raft === undefined || !node.raft.hasReady()) continue;
        this.takeReady(id);
        this.finishReady(id);
        if (node.fetching !== undefined) this.finishFetch(id, 'sent');
        worked = true;
      }
      if (this.deliver(ids) > 0) worked = true;
      if (!worked) return;
    }
  }

  describeLog(id: PeerId): string {
    const { log, hardState } = this.node(id);
    const base = log.firstIndex() - 1;
    return `${id}: term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit} after ${log.term(base) ?? 0}/${base} ${formatEntries(log.all())}`;
  }
}
