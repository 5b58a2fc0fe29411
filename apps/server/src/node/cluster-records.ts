import { hostname } from 'node:os';
import { assert } from '@coffer/kernel';
import type { CancelTimer, Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import type { ClusterTls, RaftNode } from '@coffer/cluster';
import type { AutopilotSettings } from '@coffer/core-system';
import { RequestError } from '@coffer/sdk';
import {
  AUTOPILOT_RECORD,
  autopilotConfigOf,
  decodeAutopilot,
  encodeAutopilot,
  settingsOf,
} from './autopilot-settings.ts';
import {
  AUTHORITY_LIFE_MS,
  TLS_RECORD,
  decodeTlsRecord,
  encodeTlsRecord,
  newTlsRecord,
  nextTlsRecord,
  tlsOf,
  trustOf,
} from './cluster-tls.ts';
import type { TlsRecord } from './cluster-tls.ts';
import { VERSION } from './version.ts';
import { watchRecord } from './watched-record.ts';

/** How often the active node looks whether the authority is due for a successor. */
const LOOK_EVERY_MS = 60_000;

export interface ClusterRecordsDeps {
  readonly raft: RaftNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The replicated records that a node needs to take part, for as long as it is unsealed: the cluster's authority, which
 * is given successors, and the settings of autopilot. Each node follows them when they change.
 */
export class ClusterRecords {
  readonly #deps: ClusterRecordsDeps;
  readonly #barrier: AesGcmBarrier;
  #record: TlsRecord | undefined;
  #stops: (() => void)[] = [];
  #cancel: CancelTimer | undefined;
  #looking = false;

  private constructor(deps: ClusterRecordsDeps, barrier: AesGcmBarrier) {
    this.#deps = deps;
    this.#barrier = barrier;
  }

  /** Writes the first records of a new cluster. */
  static async found(deps: ClusterRecordsDeps, barrier: AesGcmBarrier): Promise<void> {
    await put(deps.raft, barrier, TLS_RECORD, encodeTlsRecord(await newTlsRecord(deps.clock, deps.random)));
  }

  /** @throws RequestError `internal` where the store holds no authority */
  static async open(deps: ClusterRecordsDeps, barrier: AesGcmBarrier): Promise<ClusterRecords> {
    const records = new ClusterRecords(deps, barrier);
    try {
      await records.#open();
    } catch (error) {
      records.close();
      throw error;
    }
    return records;
  }

  async #open(): Promise<void> {
    const { raft, clock, log } = this.#deps;
    const parts = { raft, barrier: this.#barrier, log };
    this.#stops.push(await watchRecord(parts, { key: TLS_RECORD, read: (value) => this.#trust(value) }));
    if (this.#record === undefined) throw new RequestError('internal', 'the store holds no cluster certificate');
    this.#stops.push(
      await watchRecord(parts, {
        key: AUTOPILOT_RECORD,
        read: (value) => raft.membership.configure(autopilotConfigOf(settingsOf(decodeAutopilot(value)))),
      }),
    );
    raft.membership.echoing(() => ({ version: VERSION, hostname: hostname(), ...trustOf(this.#tlsRecord()) }));
    this.#cancel = clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#cancel?.();
  }

  get tls(): ClusterTls {
    return tlsOf(this.#tlsRecord());
  }

  async autopilotSettings(): Promise<AutopilotSettings> {
    return settingsOf(decodeAutopilot(await this.#barrier.get(AUTOPILOT_RECORD)));
  }

  async setAutopilot(change: Partial<AutopilotSettings>): Promise<void> {
    const stored = { ...decodeAutopilot(await this.#barrier.get(AUTOPILOT_RECORD)), ...change };
    await put(this.#deps.raft, this.#barrier, AUTOPILOT_RECORD, encodeAutopilot(stored));
    this.#deps.raft.membership.configure(autopilotConfigOf(settingsOf(stored)));
  }

  async #trust(value: Uint8Array | undefined): Promise<void> {
    if (value === undefined) return;
    const record = decodeTlsRecord(value);
    if (record.caCertificate === this.#record?.caCertificate) return;
    const isFirst = this.#record === undefined;
    this.#record = record;
    if (isFirst) return;
    await this.#deps.raft.renewTls(tlsOf(record));
    this.#deps.log.info('the authority of the cluster port changed', trustOf(record));
  }

  #look(): void {
    if (this.#looking || this.#deps.raft.state().role !== 'active') return;
    this.#looking = true;
    this.#succeed()
      .catch((error: unknown) =>
        this.#deps.log.warn('the authority of the cluster port could not be renewed', { error }),
      )
      .finally(() => {
        this.#looking = false;
      });
  }

  /** On the active node: the next step of a succession of authorities, if one is due. */
  async #succeed(): Promise<void> {
    const { raft, clock, random } = this.#deps;
    const echoes = raft.membership.echoes();
    const others = raft.peers().filter(({ nodeId }) => nodeId !== raft.self.nodeId);
    const means = { clock, random, lifeMs: AUTHORITY_LIFE_MS };
    const next = await nextTlsRecord(
      this.#tlsRecord(),
      others.map(({ nodeId }) => echoes.get(nodeId)),
      means,
    );
    if (next !== undefined) await put(raft, this.#barrier, TLS_RECORD, encodeTlsRecord(next));
  }

  #tlsRecord(): TlsRecord {
    assert(this.#record !== undefined, 'a node that takes part has an authority');
    return this.#record;
  }
}

async function put(raft: RaftNode, barrier: AesGcmBarrier, key: string, value: Uint8Array): Promise<void> {
  const state = raft.state();
  if (state.role !== 'active') throw new RequestError('standby');
  await barrier.write({ epoch: state.epoch, ops: [{ kind: 'put', key, value }] });
}
