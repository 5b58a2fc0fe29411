import { Secret, sleep } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import { createClusterTls } from '@coffer/cluster';
import type { ClusterTls, ForwardPort } from '@coffer/cluster';
import { RequestError } from '@coffer/sdk';
import type { RemoteBackend } from '@coffer/storage-remote';
import type { ClusterPart } from './cluster-part.ts';

export interface RemoteMemberDeps {
  readonly backend: RemoteBackend;
  /** Undefined where no other node uses the storage. */
  readonly port: ForwardPort | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Where the cluster's own authority and its name are kept; the same with every storage, so that data can move. */
const TLS_RECORD = 'core/cluster/tls';
const INFO_RECORD = 'core/cluster/info';
/** To know who is active, after unsealing. */
const SETTLE_MS_MAX = 15_000;
const LOOK_AGAIN_MS = 100;

interface StoredTls {
  readonly caCertificate: string;
  readonly caKey: string;
}

const encoder = new TextEncoder();
const parse = <T>(bytes: Uint8Array): T => JSON.parse(new TextDecoder().decode(bytes)) as T;

/** A node's part among those that share a database: election while unsealed, and the port for forwarded requests. */
export class RemoteMember implements ClusterPart {
  readonly #deps: RemoteMemberDeps;

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
    const { backend, clock, random } = this.#deps;
    const tls = await createClusterTls(clock, random);
    const stored: StoredTls = { caCertificate: tls.caCertificate, caKey: tls.caKey.reveal() };
    const state = backend.ha.state();
    if (state.role !== 'active') throw new RequestError('standby');
    await barrier.write({
      epoch: state.epoch,
      ops: [{ kind: 'put', key: TLS_RECORD, value: encoder.encode(JSON.stringify(stored)) }],
    });
  }

  async connect(barrier: AesGcmBarrier): Promise<void> {
    const { backend, port } = this.#deps;
    backend.ha.start();
    await this.#settled();
    if (!port) return;
    const tls = await this.#tls(barrier);
    const info = await barrier.get(INFO_RECORD);
    if (!info) throw new RequestError('internal', 'the store holds no name of the cluster');
    await port.open(parse<{ readonly id: string }>(info).id, tls);
  }

  /** Data of a storage for one node alone may come without an authority: then the active node makes one. */
  async #tls(barrier: AesGcmBarrier): Promise<ClusterTls> {
    const { backend, clock } = this.#deps;
    const untilMs = clock.monotonicMs() + SETTLE_MS_MAX;
    for (;;) {
      const bytes = await barrier.get(TLS_RECORD);
      if (bytes) {
        const { caCertificate, caKey } = parse<StoredTls>(bytes);
        return { caCertificate, caKey: new Secret(caKey) };
      }
      if (backend.ha.state().role === 'active') await this.createTls(barrier);
      else if (clock.monotonicMs() > untilMs)
        throw new RequestError('internal', 'the store holds no cluster certificate');
      else await sleep(clock, LOOK_AGAIN_MS);
      await backend.readBarrier();
    }
  }

  async disconnect(): Promise<void> {
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
