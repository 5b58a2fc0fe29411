import { assert } from '@coffer/kernel';
import type { CancelTimer, Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import type { ClusterTls, Echo } from '@coffer/cluster';
import { RequestError } from '@coffer/sdk';
import type { Backend, HaCoordinator } from '@coffer/storage';
import {
  TLS_RECORD,
  decodeTlsRecord,
  encodeTlsRecord,
  newTlsRecord,
  nextTlsRecord,
  tlsOf,
  trustOf,
} from './cluster-tls.ts';
import type { AuthorityTimes, TlsRecord } from './cluster-tls.ts';
import { watchRecord } from './watched-record.ts';
import { writeRecord } from './write-record.ts';

/** What `ClusterAuthority` works with. */
export interface AuthorityDeps {
  readonly backend: Pick<Backend, 'subscribe'>;
  readonly ha: Pick<HaCoordinator, 'state'>;
  readonly barrier: AesGcmBarrier;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly times: AuthorityTimes;
}

/** The cluster that the authority is of. */
export interface TrustingCluster {
  /** Those whose word each step of a succession waits for, with their last echoes. */
  others(): readonly (Echo | undefined)[];
  /** Other authorities from now on; connections go on. */
  renew(tls: ClusterTls): Promise<void>;
}

/**
 * The authority of the cluster port, as this node follows it while it is unsealed; the active node gives it successors.
 */
export class ClusterAuthority {
  readonly #deps: AuthorityDeps;
  readonly #cluster: TrustingCluster;
  #record: TlsRecord | undefined;
  #stop: (() => void) | undefined;
  #cancel: CancelTimer | undefined;
  /** The look for a successor that is under way. */
  #succeeding: Promise<void> | undefined;
  /** So much work wants no succession meanwhile. */
  #stopped = 0;

  constructor(deps: AuthorityDeps, cluster: TrustingCluster) {
    this.#deps = deps;
    this.#cluster = cluster;
  }

  /** Writes the first one of a cluster, on the active node. */
  static async found(deps: Pick<AuthorityDeps, 'ha' | 'barrier' | 'clock' | 'random'>): Promise<void> {
    await writeRecord(deps, TLS_RECORD, encodeTlsRecord(await newTlsRecord(deps.clock, deps.random)));
  }

  /** Reads it, and follows it from then on. @throws RequestError `internal` where the store holds none */
  async follow(): Promise<void> {
    this.#stop = await watchRecord(this.#deps, { key: TLS_RECORD, read: (value) => this.#trust(value) });
    if (this.#record === undefined) throw new RequestError('internal', 'the store holds no cluster certificate');
  }

  /** Looks for successors, from time to time. */
  tend(): void {
    this.#cancel = this.#deps.clock.every(this.#deps.times.lookMs, () => this.#look());
  }

  close(): void {
    this.#stop?.();
    this.#cancel?.();
  }

  get tls(): ClusterTls {
    return tlsOf(this.#held());
  }

  /** What this node tells of it to others. */
  get trust(): ReturnType<typeof trustOf> {
    return trustOf(this.#held());
  }

  async #trust(value: Uint8Array | undefined): Promise<void> {
    if (value === undefined) return;
    const record = decodeTlsRecord(value);
    const isOther = this.#record !== undefined && this.#record.caCertificate !== record.caCertificate;
    this.#record = record;
    if (!isOther) return;
    await this.#cluster.renew(tlsOf(record));
    this.#deps.log.info('the authority of the cluster port changed', trustOf(record));
  }

  /** Does something while this node takes no step of a succession. */
  async withoutSuccession(work: () => Promise<void>): Promise<void> {
    this.#stopped++;
    try {
      await this.#succeeding;
      await work();
    } finally {
      this.#stopped--;
    }
  }

  #look(): void {
    if (this.#succeeding !== undefined || this.#stopped > 0 || this.#deps.ha.state().role !== 'active') return;
    this.#succeeding = this.#succeed()
      .catch((error: unknown) =>
        this.#deps.log.warn('the authority of the cluster port could not be renewed', { error }),
      )
      .finally(() => {
        this.#succeeding = undefined;
      });
  }

  /** On the active node: the next step of a succession, if one is due. */
  async #succeed(): Promise<void> {
    const { clock, random, times } = this.#deps;
    const means = { clock, random, lifeMs: times.lifeMs };
    const next = await nextTlsRecord(this.#held(), this.#cluster.others(), means);
    if (next !== undefined) await writeRecord(this.#deps, TLS_RECORD, encodeTlsRecord(next));
  }

  #held(): TlsRecord {
    assert(this.#record !== undefined, 'a node that takes part has an authority');
    return this.#record;
  }
}
