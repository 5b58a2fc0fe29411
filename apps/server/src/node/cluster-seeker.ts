import { sleep } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { SealKey, ShamirSealManager } from '@coffer/barrier';
import { JoinClient, JoinError } from '@coffer/cluster';
import type { JoinGrant, JoinTarget, JoinTargets, RaftNode } from '@coffer/cluster';
import { told } from './cluster-errors.ts';

const ASK_MS_MAX = 10_000;
/** Who unseals a joining node waits so long for the state to arrive. */
const COPY_MS_MAX = 30_000;
const PAUSE_MS = 250;
const PAUSE_MS_MAX = 2000;

export interface ClusterSeekerDeps {
  readonly raft: RaftNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Looks for a cluster to join, on a node that belongs to none; the joining itself waits for the unseal shares. */
export class ClusterSeeker {
  readonly #deps: ClusterSeekerDeps;
  readonly #client: JoinClient;
  readonly #seal: () => ShamirSealManager | undefined;
  readonly #ended = new AbortController();
  #copying: Promise<void> | undefined;

  constructor(deps: ClusterSeekerDeps, seal: () => ShamirSealManager | undefined) {
    this.#deps = deps;
    this.#client = new JoinClient(deps.clock);
    this.#seal = seal;
  }

  /** In the background, until a cluster is found or this node belongs to one. */
  seek(targets: JoinTargets, nonVoter: boolean): void {
    this.#seek(targets, nonVoter).catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#deps.log.error('looking for a cluster to join ended', { error });
    });
  }

  stop(): void {
    this.#ended.abort(new Error('the node is closing'));
  }

  /**
   * Asks the nodes once: from then on shares given to this node are for that cluster.
   *
   * @throws JoinError of the last node asked
   */
  async find(targets: JoinTargets, nonVoter: boolean): Promise<void> {
    const { raft, log } = this.#deps;
    let failure = new JoinError('unreachable', 'there is no node to join');
    for (const target of await targets.now()) {
      try {
        const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(ASK_MS_MAX)]);
        const { sealConfig } = await this.#client.challenge(target, raft.self.nodeId, signal);
        this.#seal()?.expectJoin(sealConfig, (key) => told(() => this.#join(targets, target, nonVoter, key)));
        log.info('found a cluster to join; it wants the unseal keys', { leader: target.leaderApiAddress });
        return;
      } catch (error) {
        failure = asJoinError(error);
        log.debug('no cluster to join yet', { target: target.leaderApiAddress, error: failure });
      }
    }
    throw failure;
  }

  async #seek(targets: JoinTargets, nonVoter: boolean): Promise<void> {
    const { clock, log, raft, random } = this.#deps;
    for (let pauseMs = PAUSE_MS; raft.clusterId() === undefined; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        await this.find(targets, nonVoter);
        return;
      } catch (error) {
        log.debug('still looking for a cluster to join', { error });
      }
      // Nodes that start together do not ask together.
      await sleep(clock, pauseMs + random.below(pauseMs), this.#ended.signal);
    }
  }

  /**
   * With the seal's key in hand: becomes a member and takes in the state. That may outlast the patience of whoever unseals
   * the node; then it goes on, and the next attempt to unseal waits for it again.
   */
  async #join(targets: JoinTargets, found: JoinTarget, nonVoter: boolean, key: SealKey): Promise<void> {
    const copying = (this.#copying ??= this.#copy(await this.#grant(targets, found, nonVoter, key)));
    const { clock } = this.#deps;
    let cancel: (() => void) | undefined;
    const patience = new Promise<never>((_, reject) => {
      cancel = clock.after(COPY_MS_MAX, () => {
        reject(new JoinError('refused', 'this node joined and still copies the state of the cluster: unseal it again'));
      });
    });
    try {
      await Promise.race([copying, patience]);
    } finally {
      cancel?.();
    }
  }

  /** In the background. */
  #copy(grant: JoinGrant): Promise<void> {
    const { raft, log } = this.#deps;
    const copying = raft.join(grant, this.#ended.signal).finally(() => {
      this.#copying = undefined;
    });
    copying.then(
      () => log.info('joined a cluster', { clusterId: grant.clusterId, peerId: grant.peerId }),
      (error: unknown) => log.warn('joining a cluster came to nothing', { error }),
    );
    return copying;
  }

  /** Through the node that was found, or any other. */
  async #grant(targets: JoinTargets, found: JoinTarget, nonVoter: boolean, key: SealKey): Promise<JoinGrant> {
    const { raft } = this.#deps;
    let failure = new JoinError('unreachable', 'there is no node to join');
    for (const target of [found, ...(await targets.now())]) {
      const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(ASK_MS_MAX)]);
      try {
        return await this.#client.join(target, { address: raft.self, nonVoter }, key, signal);
      } catch (error) {
        failure = asJoinError(error);
        // Only a node that cannot be reached is a reason to ask another.
        if (failure.code !== 'unreachable') throw failure;
      }
    }
    throw failure;
  }
}

function asJoinError(error: unknown): JoinError {
  return error instanceof JoinError ? error : new JoinError('unreachable', 'no answer in time', { cause: error });
}
