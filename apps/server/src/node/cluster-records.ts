import { hostname } from 'node:os';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import type { ClusterTls, RaftNode } from '@coffer/cluster';
import type { AutopilotSettings } from '@coffer/storage';
import { AUTOPILOT_RECORD, decodeAutopilot, encodeAutopilot, settingsOf } from './autopilot-settings.ts';
import { ClusterAuthority } from './cluster-authority.ts';
import type { AuthorityDeps } from './cluster-authority.ts';
import type { AuthorityTimes } from './cluster-tls.ts';
import { watchRecord } from './watched-record.ts';
import { writeRecord } from './write-record.ts';

export interface ClusterRecordsDeps {
  readonly raft: RaftNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly authorityTimes: AuthorityTimes;
}

/**
 * The replicated records that a node needs to take part, for as long as it is unsealed: the cluster's authority, which
 * is given successors, and the settings of autopilot. Each node follows them when they change.
 */
export class ClusterRecords {
  readonly #raft: RaftNode;
  readonly #parts: AuthorityDeps;
  readonly #authority: ClusterAuthority;
  #stop: (() => void) | undefined;

  private constructor(deps: ClusterRecordsDeps, barrier: AesGcmBarrier) {
    const { raft } = deps;
    this.#raft = raft;
    this.#parts = partsOf(deps, barrier);
    this.#authority = new ClusterAuthority(this.#parts, {
      others: () => {
        const echoes = raft.membership.echoes();
        return raft.peers().flatMap(({ nodeId }) => (nodeId === raft.self.nodeId ? [] : [echoes.get(nodeId)]));
      },
      renew: (tls) => raft.renewTls(tls),
    });
  }

  /** Writes the first records of a new cluster. */
  static async found(deps: ClusterRecordsDeps, barrier: AesGcmBarrier): Promise<void> {
    await ClusterAuthority.found(partsOf(deps, barrier));
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
    const raft = this.#raft;
    await this.#authority.follow();
    this.#stop = await watchRecord(this.#parts, {
      key: AUTOPILOT_RECORD,
      read: (value) => raft.membership.configure(settingsOf(decodeAutopilot(value))),
    });
    raft.membership.echoing(() => ({ hostname: hostname(), ...this.#authority.trust }));
    this.#authority.tend();
  }

  close(): void {
    this.#authority.close();
    this.#stop?.();
  }

  get tls(): ClusterTls {
    return this.#authority.tls;
  }

  /** See `ClusterAuthority.withoutSuccession`. */
  withoutSuccession(work: () => Promise<void>): Promise<void> {
    return this.#authority.withoutSuccession(work);
  }

  async autopilotSettings(): Promise<AutopilotSettings> {
    return settingsOf(decodeAutopilot(await this.#parts.barrier.get(AUTOPILOT_RECORD)));
  }

  async setAutopilot(change: Partial<AutopilotSettings>): Promise<void> {
    const stored = { ...decodeAutopilot(await this.#parts.barrier.get(AUTOPILOT_RECORD)), ...change };
    await writeRecord(this.#parts, AUTOPILOT_RECORD, encodeAutopilot(stored));
    this.#raft.membership.configure(settingsOf(stored));
  }
}

const partsOf = (
  { raft, clock, random, log, authorityTimes }: ClusterRecordsDeps,
  barrier: AesGcmBarrier,
): AuthorityDeps => ({
  backend: raft,
  ha: raft,
  barrier,
  clock,
  random,
  log,
  times: authorityTimes,
});
