import type { AesGcmBarrier } from '@coffer/barrier';
import type { MaybePromise } from '@coffer/kernel';
import { writeRecord } from './write-record.ts';

/** Where a cluster's id and name are kept, encrypted like everything else. */
const RECORD = 'core/cluster/info';

/** What a cluster is called; chosen when it is initialised. */
export interface ClusterInfo {
  readonly id: string;
  readonly name: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const parse = (bytes: Uint8Array): ClusterInfo => Object.freeze(JSON.parse(decoder.decode(bytes)) as ClusterInfo);

export const readClusterInfo = (barrier: AesGcmBarrier): MaybePromise<ClusterInfo | undefined> =>
  barrier.getParsed(RECORD, parse);

/** On the active node. @throws RequestError `standby`; StorageError */
export const writeClusterInfo = (parts: Parameters<typeof writeRecord>[0], info: ClusterInfo): Promise<void> =>
  writeRecord(parts, RECORD, encoder.encode(JSON.stringify(info)));
