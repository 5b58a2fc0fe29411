import type { Entry, LogIndex, Message, PeerId, RaftStanding, Ready, Term } from 'raft-ts';
import { digestEntry, mix } from './register-machine.ts';
import type { MachineState } from './register-machine.ts';
import { Violation } from './violation.ts';
import type { DiskImage } from './sim-disk.ts';

/** What the witness may know of a node: its log as reads see it, and what of it is durable. */
export interface Observed {
  readonly id: PeerId;
  readonly logTerm: (index: LogIndex) => Term | undefined;
  /** The first index that its log keeps. */
  readonly firstIndex: () => LogIndex;
}

interface Seen {
  term: Term;
  commit: LogIndex;
  wasLeader: boolean;
}

/**
 * Sees everything at once and holds Raft to its promises (figure 3 of the paper, and what they rest on), each at the
 * step that breaks it.
 *
 * All methods throw a `Violation`.
 */
export class Witness {
  readonly #leaders = new Map<Term, PeerId>();
  /** By node and term. */
  readonly #votes = new Map<string, PeerId>();
  /** By term and index: a digest of the entry and of all before it. */
  readonly #logs = new Map<string, number>();
  /** By index: the first application, anywhere, and the latest term it can have been committed in. */
  readonly #applied = new Map<LogIndex, { readonly digest: number; readonly term: Term; readonly knownIn: Term }>();
  #appliedMax: LogIndex = 0;
  /** The numbers of all commands that any node applied. */
  readonly #executed = new Set<number>();
  /** The highest term that each node spoke in, over all its lives. */
  readonly #spoken = new Map<PeerId, Term>();
  /** Of the current life of each node. */
  readonly #seen = new Map<PeerId, Seen>();
  readonly #durable: (peer: PeerId) => DiskImage | undefined;

  /** @param durable what a node's disk would hold after the worst crash; undefined for a node that does not exist. */
  constructor(durable: (peer: PeerId) => DiskImage | undefined) {
    this.#durable = durable;
  }

  /** The last index that any node applied. */
  appliedMax(): LogIndex {
    return this.#appliedMax;
  }

  /** A node applied a client's command. */
  executes(command: number): void {
    this.#executed.add(command);
  }

  /** Whether any node applied a client's command. */
  executed(command: number): boolean {
    return this.#executed.has(command);
  }

  /** A state that all start from, as if it had been applied. */
  bootstrapped(state: MachineState): void {
    this.#applied.set(state.applied, { digest: state.digest, term: state.term, knownIn: state.term });
    this.#appliedMax = state.applied;
    this.#logs.set(`${state.term}/${state.applied}`, state.digest);
  }

  /** A node came up. */
  started(id: PeerId, status: RaftStanding): void {
    this.#seen.set(id, { term: status.term, commit: status.commit, wasLeader: false });
    if (status.term < (this.#spoken.get(id) ?? 0)) {
      throw new Violation('monotonic term', `node ${id} came back in term ${status.term}, before one it spoke in`);
    }
  }

  /** After each call of a node's core. */
  observe(node: Observed, status: RaftStanding): void {
    const { id } = node;
    const seen = this.#seen.get(id);
    if (seen === undefined) return;
    if (status.term < seen.term) {
      throw new Violation('monotonic term', `node ${id} went from term ${seen.term} to ${status.term}`);
    }
    if (status.commit < seen.commit) {
      throw new Violation('monotonic commit', `node ${id} went from ${seen.commit} to ${status.commit}`);
    }
    if (status.role === 'leader') {
      this.#leads(status.term, id);
      if (seen.wasLeader && seen.term === status.term && status.commit > seen.commit) this.#committed(node, status);
    }
    seen.term = status.term;
    seen.commit = status.commit;
    seen.wasLeader = status.role === 'leader';
  }

  /** Before the node does what its core asked for. */
  readied(node: Observed, ready: Ready): void {
    this.#checkLog(node, ready.entries);
    if (ready.status?.role === 'leader') {
      this.#leads(ready.status.term, node.id);
      this.#complete(node, ready);
    }
  }

  /** Before a message leaves. */
  sent(message: Message): void {
    const { from, term } = message;
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot':
      case 'timeout-now':
        this.#leads(term, from);
        break;
      case 'vote-reply':
        if (!message.reject) this.#voted(from, term, message.to);
        break;
      case 'vote':
        this.#voted(from, term, from);
        break;
      default:
        break;
    }
    // Pre-votes speak of a term that the node is not in.
    if (message.kind === 'pre-vote' || message.kind === 'pre-vote-reply') return;
    if (term > (this.#spoken.get(from) ?? 0)) this.#spoken.set(from, term);
  }

  /** After a node applied an entry, in the term it is in. */
  applied(id: PeerId, state: MachineState, term: Term): void {
    const known = this.#applied.get(state.applied);
    if (known === undefined) {
      this.#applied.set(state.applied, { digest: state.digest, term: state.term, knownIn: term });
      this.#appliedMax = Math.max(this.#appliedMax, state.applied);
    } else if (known.digest !== state.digest) {
      throw new Violation('state machine safety', `node ${id} applied something else at ${state.applied}`);
    }
  }

  /** When a node takes over a state from a peer. */
  installed(id: PeerId, state: MachineState): void {
    if (this.#applied.get(state.applied)?.digest !== state.digest) {
      throw new Violation(
        'state machine safety',
        `node ${id} installed a snapshot of ${state.applied} that nobody had`,
      );
    }
  }

  /** When its state and log were replaced: what the log kept after the snapshot is of the same log. */
  replaced(node: Observed, state: MachineState): void {
    const after = node.logTerm(state.applied + 1);
    if (after === undefined || after >= state.term) return;
    throw new Violation('log matching', `node ${node.id} kept entries of term ${after} behind those of ${state.term}`);
  }

  #leads(term: Term, id: PeerId): void {
    const leader = this.#leaders.get(term);
    if (leader === undefined) this.#leaders.set(term, id);
    else if (leader !== id) throw new Violation('election safety', `nodes ${leader} and ${id} lead in term ${term}`);
  }

  #voted(id: PeerId, term: Term, candidate: PeerId): void {
    const key = `${id}/${term}`;
    const vote = this.#votes.get(key);
    if (vote === undefined) this.#votes.set(key, candidate);
    else if (vote !== candidate) {
      throw new Violation('one vote a term', `node ${id} voted for ${vote} and ${candidate} in term ${term}`);
    }
  }

  /** Entries of the same index and term are the same, and so are all before them. */
  #checkLog(node: Observed, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const previousTerm = node.logTerm(first.index - 1);
    let before = this.#logs.get(`${previousTerm ?? 0}/${first.index - 1}`);
    for (const entry of entries) {
      const key = `${entry.term}/${entry.index}`;
      const digest = before === undefined ? undefined : digestEntry(entry, mix(before, entry.index));
      const known = this.#logs.get(key);
      if (digest !== undefined && known !== undefined && known !== digest) {
        throw new Violation('log matching', `node ${node.id} has another log up to ${entry.index}, term ${entry.term}`);
      }
      if (digest !== undefined && known === undefined) this.#logs.set(key, digest);
      before = digest ?? known;
    }
  }

  /** A leader has all entries that were committed in earlier terms. */
  #complete(node: Observed, ready: Ready): void {
    const term = ready.status?.term ?? 0;
    const first = ready.entries[0]?.index ?? Infinity;
    for (let index = this.#appliedMax; index > 0; index -= 1) {
      const committed = this.#applied.get(index);
      if (committed === undefined || committed.knownIn >= term) continue;
      // What is before the log went into its state, which is checked when applied or installed.
      if (index < Math.min(first, node.firstIndex())) return;
      const has = index >= first ? ready.entries[index - first]?.term : node.logTerm(index);
      if (has === committed.term) return;
      throw new Violation('leader completeness', `node ${node.id} leads term ${term} without the entry ${index}`);
    }
  }

  /** A leader commits what is durable on a majority (both, in a joint phase), and counts only its own term. */
  #committed(node: Observed, status: RaftStanding): void {
    const term = node.logTerm(status.commit);
    if (term !== undefined && term !== status.term) {
      throw new Violation(
        'commit of own term',
        `node ${node.id}, term ${status.term}, committed ${status.commit} of ${term}`,
      );
    }
    for (const group of [status.membership.voters, status.membership.votersOutgoing]) {
      if (group.length === 0) continue;
      const having = group.filter((peer) => this.#has(peer, status.commit, status.term)).length;
      if (having * 2 > group.length) continue;
      throw new Violation(
        'commit by quorum',
        `node ${node.id} committed ${status.commit} with ${having} of ${group.length}`,
      );
    }
  }

  #has(peer: PeerId, index: LogIndex, term: Term): boolean {
    const image = this.#durable(peer);
    if (image === undefined) return false;
    return index < image.base.index || image.term(index) === term;
  }
}
