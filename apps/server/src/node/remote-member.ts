import { sleep } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import type { ForwardPort } from '@coffer/cluster';
import { RequestError } from '@coffer/sdk';
import type { RemoteBackend } from '@coffer/storage-remote';
import type { ClusterPart } from './cluster-part.ts';
import { ClusterAuthority } from './cluster-authority.ts';
import type { AuthorityDeps } from './cluster-authority.ts';
import { readClusterInfo } from './cluster-info.ts';
import { TLS_RECORD } from './cluster-tls.ts';
import type { AuthorityTimes } from './cluster-tls.ts';

export interface RemoteMemberDeps {
  readonly backend: RemoteBackend;
  /** Undefined where no other node uses the storage. */
  readonly port: ForwardPort | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly authorityTimes: AuthorityTimes;
}

/** To know who is active, after unsealing. */
const SETTLE_MS_MAX = 15_000;
const LOOK_AGAIN_MS = 100;

/** A node's part among those that share a database: election while unsealed, and the port for forwarded requests. */
export class RemoteMember implements ClusterPart {
  readonly #deps: RemoteMemberDeps;
  #authority: ClusterAuthority | undefined;

  constructor(deps: RemoteMemberDeps) {
    this.#deps = deps;
  }

  async bootstrap(): Promise<void> {
    const { ha } = this.#deps.backend;
    ha.start();
    await this.#settled();
    // Another node may be initialising at this very moment.
    if (ha.state().role !== 'active') throw new RequestError('bad-request', 'another node uses this storage');
  }

  async createTls(barrier: AesGcmBarrier): Promise<void> {
    await ClusterAuthority.found(this.#authorityDeps(barrier));
  }

  #authorityDeps(barrier: AesGcmBarrier): AuthorityDeps {
    const { backend, clock, random, log, authorityTimes } = this.#deps;
    return { backend, ha: backend.ha, barrier, clock, random, log, times: authorityTimes };
  }

  async connect(barrier: AesGcmBarrier): Promise<void> {
    const { backend, port } = this.#deps;
    backend.ha.start();
    await this.#settled();
    if (!port) return;
    await this.#awaitAuthority(barrier);
    // Nobody has to be asked whether all have made the step before: who serves requests follows the storage, and has
    // read it within a second.
    this.#authority = new ClusterAuthority(this.#authorityDeps(barrier), {
      others: () => [],
      renew: (tls) => port.renew(tls),
    });
    await this.#authority.follow();
    const info = await readClusterInfo(barrier);
    if (!info) throw new RequestError('internal', 'the store holds no cluster');
    await port.open(info.id, this.#authority.tls);
    this.#authority.tend();
  }

  /** Data of a storage for one node alone may come without an authority: then the active node makes one. */
  async #awaitAuthority(barrier: AesGcmBarrier): Promise<void> {
    const { backend, clock } = this.#deps;
    const untilMs = clock.monotonicMs() + SETTLE_MS_MAX;
    while ((await barrier.get(TLS_RECORD)) === undefined) {
      if (backend.ha.state().role === 'active') await this.createTls(barrier);
      else if (clock.monotonicMs() > untilMs)
        throw new RequestError('internal', 'the store holds no cluster certificate');
      else await sleep(clock, LOOK_AGAIN_MS);
      await backend.readBarrier();
    }
  }

  async disconnect(): Promise<void> {
    this.#authority?.close();
    this.#authority = undefined;
    await this.#deps.backend.ha.stop();
    await this.#deps.port?.close();
  }

  standbys(): readonly [] {
    return [];
  }

  indexes(): { readonly appliedIndex: number } {
    return { appliedIndex: this.#deps.backend.appliedIndex() };
  }

  /** A node that knows nobody yet serves reads as far as the storage lets it, and goes on looking. */
  async #settled(): Promise<void> {
    const { backend, log } = this.#deps;
    try {
      await backend.ha.settled(AbortSignal.timeout(SETTLE_MS_MAX));
    } catch (error) {
      log.warn('no active node was found yet', { error });
    }
  }
}
