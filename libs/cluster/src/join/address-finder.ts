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

/**
 * Finds the members again when all of them have new addresses: the list that each has on its disk leads nowhere then.
 * While this node knows of no leader it asks the nodes of `retry_join` where their cluster ports are. What they answer
 * proves nothing, nor need it: whoever is there has to show the certificate of that member.
 */
export class AddressFinder {
  readonly #raft: Pick<RaftNode, 'health' | 'hint' | 'clusterId'>;
  readonly #targets: JoinTargets;
  readonly #clock: Clock;
  readonly #log: Log;
  #cancel: CancelTimer | undefined;
  #asking = false;
  #toldOfOther = false;

  constructor(
    raft: Pick<RaftNode, 'health' | 'hint' | 'clusterId'>,
    targets: JoinTargets,
    means: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#raft = raft;
    this.#targets = targets;
    this.#clock = means.clock;
    this.#log = means.log;
  }

  start(): void {
    if (this.#targets.none) return;
    this.#cancel ??= this.#clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  stop(): void {
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
    const targets = await this.#targets.now();
    await Promise.all(targets.map((target) => this.#ask(target)));
  }

  async #ask(target: JoinTarget): Promise<void> {
    const controller = new AbortController();
    const cancel = this.#clock.after(ASK_MS_MAX, () => controller.abort(new JoinError('unreachable', 'no answer')));
    try {
      const answer = fieldsOf(
        await askNode(target, WHEREABOUTS_PATH, { clock: this.#clock, signal: controller.signal }),
        'answer',
      );
      const clusterId = answer.get('cluster_id');
      if (typeof clusterId === 'string' && clusterId !== '' && clusterId !== this.#raft.clusterId()) {
        if (!this.#toldOfOther) {
          this.#log.warn('a node of retry_join belongs to another cluster', { leader: target.leaderApiAddress });
        }
        this.#toldOfOther = true;
        return;
      }
      this.#raft.hint(text(answer, 'node_id'), text(answer, 'cluster_addr'));
    } catch (error) {
      if (!(error instanceof JoinError)) throw error;
      this.#log.debug('a node of retry_join does not say where it is', { leader: target.leaderApiAddress, error });
    } finally {
      cancel();
    }
  }
}
