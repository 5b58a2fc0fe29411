import type { Entry, HardState, LogIndex } from 'raft-ts';
import type { DiskMeta } from './meta.codec.ts';

/** How far a disk is. */
export type Durable = Pick<DiskMeta, 'term' | 'applied' | 'cut'>;

/** What one batch makes durable. */
export interface DiskChange {
  readonly entries: readonly Entry[];
  readonly hardState?: HardState;
  /** Entries up to here are no longer needed. */
  readonly cutUpTo?: LogIndex;
}
