import type { Entry, LogIndex, Raft } from 'raft-ts';
import type { RegisterOutput } from '../linearizability/index.ts';
import type { MachineState } from './register-machine.ts';
import { QuorumWatch } from './quorum-watch.ts';
import type { SimDisk } from './sim-disk.ts';

/** `refused` has no effect, now or later; anything else is known only by the answer. */
export type Answer = { readonly kind: 'done'; readonly output: RegisterOutput } | { readonly kind: 'refused' };

/** A read that the state is not new enough for. */
export interface WaitingRead {
  readonly index: LogIndex;
  readonly key: string;
  readonly answer: (answer: Answer) => void;
}

/** A node's life from one start to the next crash. What is left of an earlier life must not act on a later one. */
export class NodeLife {
  readonly raft: Raft;
  readonly disk: SimDisk;
  machine: MachineState;
  /** A write is under way; the next `Ready` has to wait. */
  writing = false;
  applying = false;
  readonly committed: Entry[] = [];
  readonly reads = new Map<number, { readonly key: string; readonly answer: (answer: Answer) => void }>();
  waitingReads: WaitingRead[] = [];
  readonly writes = new Map<number, (answer: Answer) => void>();
  /** Snapshots that came with messages. */
  readonly offers = new Map<string, MachineState>();
  /** A snapshot that was fetched and waits for the disk. */
  install: MachineState | undefined;
  /** A snapshot is being written: what would be applied now would be applied to a state that is gone. */
  installing = false;
  /** What happened during a pause. */
  readonly backlog: (() => void)[] = [];
  pausedUntil = 0;
  readonly watch = new QuorumWatch();

  constructor(raft: Raft, disk: SimDisk, machine: MachineState) {
    this.raft = raft;
    this.disk = disk;
    this.machine = machine;
  }
}
