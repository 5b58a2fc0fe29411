import { sleep } from '@coffer/kernel';
import type { CancelTimer, Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import type { ForwardPort } from '@coffer/cluster';
import { RequestError } from '@coffer/sdk';
import type { RemoteBackend } from '@coffer/storage-remote';
import type { ClusterPart } from './cluster-part.ts';
import {
  AUTHORITY_LIFE_MS,
  TLS_RECORD,
  decodeTlsRecord,
  encodeTlsRecord,
  newTlsRecord,
  nextTlsRecord,
  tlsOf,
} from './cluster-tls.ts';
import type { TlsRecord } from './cluster-tls.ts';
import { watchRecord } from './watched-record.ts';

export interface RemoteMemberDeps {
  readonly backend: RemoteBackend;
  /** Undefined where no other node uses the storage. */
  readonly port: ForwardPort | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Where the cluster's id is kept; the same with every storage, so that data can move. */
const INFO_RECORD = 'core/cluster/info';
/** To know who is active, after unsealing. */
const SETTLE_MS_MAX = 15_000;
const LOOK_AGAIN_MS = 100;
/** How often the active node looks whether the authority is due for a successor. */
const LOOK_EVERY_MS = 60_000;

/** A node's part among those that share a database: election while unsealed, and the port for forwarded requests. */
export class RemoteMember implements ClusterPart {
  readonly #deps: RemoteMemberDeps;
  #record: TlsRecord | undefined;
  #stop: (() => void) | undefined;
  #cancel: CancelTimer | undefined;

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
    const { clock, random } = this.#deps;
    await this.#write(barrier, await newTlsRecord(clock, random));
  }

  async #write(barrier: AesGcmBarrier, record: TlsRecord): Promise<void> {
    const state = this.#deps.backend.ha.state();
    if (state.role !== 'active') throw new RequestError('standby');
    const value = encodeTlsRecord(record);
    await barrier.write({ epoch: state.epoch, ops: [{ kind: 'put', key: TLS_RECORD, value }] });
  }

  async connect(barrier: AesGcmBarrier): Promise<void> {
    const { backend, port, clock, log } = this.#deps;
    backend.ha.start();
    await this.#settled();
    if (!port) return;
    await this.#awaitAuthority(barrier);
    const parts = { raft: backend, barrier, log };
    this.#stop = await watchRecord(parts, { key: TLS_RECORD, read: (value) => this.#trust(value) });
    const info = await barrier.get(INFO_RECORD);
    if (!info || !this.#record) throw new RequestError('internal', 'the store holds no cluster');
    const { id } = JSON.parse(new TextDecoder().decode(info)) as { readonly id: string };
    await port.open(id, tlsOf(this.#record));
    this.#cancel = clock.every(LOOK_EVERY_MS, () => this.#look(barrier));
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

  async #trust(value: Uint8Array | undefined): Promise<void> {
    if (value === undefined) return;
    const record = decodeTlsRecord(value);
    const changed = this.#record !== undefined && this.#record.caCertificate !== record.caCertificate;
    this.#record = record;
    if (!changed) return;
    await this.#deps.port?.renew(tlsOf(record));
    this.#deps.log.info('the authority of the cluster port changed');
  }

  #look(barrier: AesGcmBarrier): void {
    this.#succeed(barrier).catch((error: unknown) =>
      this.#deps.log.warn('the authority of the cluster port could not be renewed', { error }),
    );
  }

  /**
   * The next step of a succession, if one is due. Nobody has to be asked whether all have made the step before: who
   * serves requests follows the storage, and has read it within a second.
   */
  async #succeed(barrier: AesGcmBarrier): Promise<void> {
    const { backend, clock, random } = this.#deps;
    if (!this.#record || backend.ha.state().role !== 'active') return;
    const next = await nextTlsRecord(this.#record, [], { clock, random, lifeMs: AUTHORITY_LIFE_MS });
    if (next !== undefined) await this.#write(barrier, next);
  }

  async disconnect(): Promise<void> {
    this.#cancel?.();
    this.#stop?.();
    this.#stop = undefined;
    this.#record = undefined;
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
