import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { JoinTarget, RaftNode } from '../cluster.ts';
import { JoinError } from './join-error.ts';
import { fieldsOf, text } from './join-wire.ts';
import type { JoinTargets } from './join-targets.ts';
import { askNode } from './leader-http.ts';

/** Path below `/v1/`, unauthenticated and served sealed or not: which node this is and where its cluster port is. */
export const WHEREABOUTS_PATH = 'sys/storage/raft/bootstrap/address';

const LOOK_EVERY_MS = 1000;
/** An election takes less; nobody is asked before a node was without a leader for longer. */
const PATIENCE_MS = 2000;
const ASK_MS_MAX = 5000;
/** Nodes that an operator named; the oldest is forgotten for a fifth. */
const NAMED_MAX = 4;

/** What a node says of itself, and of the leader if it follows one. */
interface Found {
  readonly nodeId: string;
  readonly clusterAddress: string;
  /** Empty: it belongs to none, or cannot tell. */
  readonly clusterId: string;
  readonly leader?: { readonly nodeId: string; readonly clusterAddress: string };
}

/** What is asked of the node that looks for others. */
export type FindingNode = Pick<RaftNode, 'health' | 'hint' | 'clusterId' | 'self'>;

/**
 * Finds the members again when all of them have new addresses: the list that each has on its disk leads nowhere then.
 * While this node knows of no leader it asks the nodes of `retry_join` where their cluster ports are. What they answer
 * proves nothing, nor need it: whoever is there has to show the certificate of that member.
 *
 * An operator can name further nodes (`operator raft join` on a member): they are asked as those of `retry_join` are.
 */
export class AddressFinder {
  readonly #raft: FindingNode;
  readonly #targets: JoinTargets;
  /** Named by an operator, the latest last. */
  #named: readonly JoinTargets[] = [];
  #naming = false;
  #started = false;
  readonly #clock: Clock;
  readonly #log: Log;
  #cancel: CancelTimer | undefined;
  #asking = false;
  #toldOfOther = false;

  constructor(raft: FindingNode, targets: JoinTargets, means: { readonly clock: Clock; readonly log: Log }) {
    this.#raft = raft;
    this.#targets = targets;
    this.#clock = means.clock;
    this.#log = means.log;
  }

  start(): void {
    this.#started = true;
    if (this.#targets.none && this.#named.length === 0) return;
    this.#cancel ??= this.#clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  /**
   * Other nodes to ask, beside those of `retry_join`, until the process ends. One that is of no use is refused at once,
   * unless `retry`: then it is asked whenever there is no leader.
   *
   * @throws JoinError `unreachable`, `malformed`, `refused` (none of them is another node of this cluster), `busy`
   */
  async follow(targets: JoinTargets, retry: boolean): Promise<void> {
    if (this.#naming) throw new JoinError('busy', 'another node is being asked; try again');
    this.#naming = true;
    try {
      const outcomes = await Promise.allSettled((await targets.now()).map((target) => this.#meet(target)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (!retry && !outcomes.some(({ status }) => status === 'fulfilled')) {
        throw failed?.reason ?? new JoinError('unreachable', 'there is no node to ask');
      }
    } finally {
      this.#naming = false;
    }
    this.#named = [...this.#named, targets].slice(-NAMED_MAX);
    if (this.#started) this.start();
  }

  /** Asks a node that must be another one of this cluster. @throws JoinError */
  async #meet(target: JoinTarget): Promise<void> {
    const found = await this.#whereabouts(target);
    const { nodeId, clusterId } = found;
    if (clusterId !== this.#raft.clusterId()) {
      const where = clusterId === '' ? 'to none' : 'to another one';
      throw new JoinError('refused', `this node belongs to a cluster already, and the node asked ${where}`);
    }
    if (nodeId === this.#raft.self.nodeId) throw new JoinError('refused', 'that is this node itself: name another one');
    this.#hint(found);
  }

  stop(): void {
    this.#started = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const { running, leaderlessMs } = this.#raft.health();
    if (!running || leaderlessMs < PATIENCE_MS || this.#asking) return;
    this.#asking = true;
    this.#askAll()
      .catch((error: unknown) => this.#log.warn('looking for the members failed', { error }))
      .finally(() => {
        this.#asking = false;
      });
  }

  async #askAll(): Promise<void> {
    const targets = await Promise.all([this.#targets, ...this.#named].map((some) => some.now()));
    await Promise.all(targets.flat().map((target) => this.#ask(target)));
  }

  async #ask(target: JoinTarget): Promise<void> {
    try {
      const found = await this.#whereabouts(target);
      const { clusterId } = found;
      if (clusterId !== '' && clusterId !== this.#raft.clusterId()) {
        if (!this.#toldOfOther) {
          this.#log.warn('a node of retry_join belongs to another cluster', { leader: target.leaderApiAddress });
        }
        this.#toldOfOther = true;
        return;
      }
      this.#hint(found);
    } catch (error) {
      if (!(error instanceof JoinError)) throw error;
      this.#log.debug('a node of retry_join does not say where it is', { leader: target.leaderApiAddress, error });
    }
  }

  /** It may know the leader where this node cannot: no other knows where this one is now, so that nobody tells it. */
  #hint({ nodeId, clusterAddress, leader }: Found): void {
    this.#raft.hint(nodeId, clusterAddress);
    if (leader !== undefined) this.#raft.hint(leader.nodeId, leader.clusterAddress);
  }

  /** @throws JoinError */
  async #whereabouts(target: JoinTarget): Promise<Found> {
    const controller = new AbortController();
    const cancel = this.#clock.after(ASK_MS_MAX, () => controller.abort(new JoinError('unreachable', 'no answer')));
    try {
      const means = { clock: this.#clock, signal: controller.signal };
      const answer = fieldsOf(await askNode(target, WHEREABOUTS_PATH, means), 'answer');
      const clusterId = answer.get('cluster_id');
      return {
        nodeId: text(answer, 'node_id'),
        clusterAddress: text(answer, 'cluster_addr'),
        clusterId: typeof clusterId === 'string' ? clusterId : '',
        ...(answer.has('leader_node_id') && {
          leader: { nodeId: text(answer, 'leader_node_id'), clusterAddress: text(answer, 'leader_cluster_addr') },
        }),
      };
    } finally {
      cancel();
    }
  }
}
