import type { Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import { NOBODY } from 'raft-ts';
import type { Message, PeerId, SnapshotMeta } from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { OpenRestore, StateRecord } from '../disk/restore.codec.ts';
import type { StateView } from '../disk/state-view.ts';
import { decodeSnapshot, encodeSnapshot, type SnapshotHeader } from '../disk/snapshot.codec.ts';
import type { Transport } from '../cluster.ts';
import type { RaftDriver } from './raft-driver.ts';

/** Records are staged in batches of about so many bytes. */
const STAGE_BYTES = 1 << 20;

const NOTHING = (): void => undefined;

/** A consistent copy of the state with what it stands for. The caller closes the view. */
export async function openSnapshot(
  disk: LevelDisk,
  clusterId: string,
  leaderTerm: number,
): Promise<{ readonly view: StateView; readonly header: SnapshotHeader }> {
  const view = disk.view();
  const { applied, appliedTerm } = view.meta;
  const header = { clusterId, index: applied, term: appliedTerm, leaderTerm, members: view.members };
  if (applied > 0) return { view, header };
  await view.close();
  throw new StorageError('not-active', 'there is no state yet');
}

/** Streams a view, with the restore that is under way in it. */
function streamSnapshot(view: StateView, header: SnapshotHeader): AsyncIterable<Uint8Array> {
  const { restore } = view.meta;
  const staged = restore === undefined ? undefined : { ...restore, pages: view.stagedPages() };
  return encodeSnapshot(header, view.pages(), staged);
}

/** Sends snapshots to followers that need entries which are no longer in the log, and takes in those from a leader. */
export class SnapshotExchange {
  readonly #disk: LevelDisk;
  readonly #driver: RaftDriver;
  readonly #transport: Transport;
  readonly #log: Log;
  readonly #self: PeerId;
  readonly #clusterId: string;
  readonly #sending = new Set<PeerId>();
  readonly #underWay = new Set<Promise<void>>();
  /** What gives up the snapshot that is being received. */
  #receiving: { readonly from: PeerId; readonly giveUp: AbortController } | undefined;
  #sent = 0;

  constructor(parts: {
    readonly disk: LevelDisk;
    readonly driver: RaftDriver;
    readonly transport: Transport;
    readonly log: Log;
    readonly self: PeerId;
    readonly clusterId: string;
  }) {
    this.#disk = parts.disk;
    this.#driver = parts.driver;
    this.#transport = parts.transport;
    this.#log = parts.log;
    this.#self = parts.self;
    this.#clusterId = parts.clusterId;
  }

  /** How many snapshots arrived at followers. */
  get sent(): number {
    return this.#sent;
  }

  /** Streams the present state to a follower and tells raft what came of it; one at a time for each. */
  send(to: PeerId): void {
    if (this.#sending.has(to)) return;
    this.#sending.add(to);
    this.#driver.need(to, this.#disk.log.firstIndex());
    const sending = this.#stream(to)
      .then(
        () => {
          this.#sent++;
          this.#driver.act(() => this.#driver.raft.reportSnapshot(to, 'sent'));
        },
        (error: unknown) => {
          this.#log.warn('a snapshot did not arrive', { peer: to, error });
          this.#driver.act(() => this.#driver.raft.reportSnapshot(to, 'failed'));
        },
      )
      .finally(() => {
        this.#sending.delete(to);
        this.#driver.need(to, undefined);
      });
    void this.#whileUnderWay(sending);
  }

  /**
   * Resolves when nothing of it reads from or writes to the disk any more. To be waited for before the disk is closed,
   * once the driver is stopped and the transport closed: that ends what is under way.
   */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** @returns what settles as `work` does */
  #whileUnderWay(work: Promise<void>): Promise<void> {
    // How it went is told to whoever began it.
    const over = work.then(NOTHING, NOTHING);
    this.#underWay.add(over);
    void over.then(() => this.#underWay.delete(over));
    return work;
  }

  async #stream(to: PeerId): Promise<void> {
    await this.#driver.flush();
    const { view, header } = await openSnapshot(this.#disk, this.#clusterId, this.#driver.standing.term);
    this.#driver.need(to, header.index + 1);
    const meta = { index: header.index, term: header.term, membership: header.members.membership };
    try {
      await this.#transport.sendSnapshot(to, meta, streamSnapshot(view, header));
    } finally {
      await view.close();
    }
  }

  /**
   * Stages a leader's snapshot beside the state and switches over when it is complete, verified and wanted.
   *
   * Only the leader sends any: where one is known, others' are refused, and one of theirs that was begun gives way.
   *
   * @throws StorageError `corrupt`, `conflict` (another is being received, or raft did not want it), `disk`
   */
  receive(from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#whileUnderWay(this.#receive(from, meta, contents));
  }

  async #receive(from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const { leader } = this.#driver.standing;
    if (leader !== NOBODY && leader !== from)
      throw new StorageError('conflict', 'a snapshot that is not of the leader');
    if (this.#receiving !== undefined) {
      if (leader === from && this.#receiving.from !== from) this.#receiving.giveUp.abort();
      throw new StorageError('conflict', 'another snapshot is being received');
    }
    const giveUp = new AbortController();
    this.#receiving = { from, giveUp };
    try {
      await this.#disk.beginStaging();
      const { header, restore } = await this.#stage(untilAborted(contents, giveUp.signal));
      this.#check(header, meta);
      const outcome = await new Promise<'installed' | 'unwanted'>((done) => {
        const staged = { meta, members: header.members, done, ...(restore === undefined ? {} : { restore }) };
        this.#driver.offer(staged, this.#message(from, header));
      });
      if (outcome === 'unwanted') throw new StorageError('conflict', 'the snapshot is not newer than what is here');
    } finally {
      this.#receiving = undefined;
    }
  }

  async #stage(
    contents: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly header: SnapshotHeader; readonly restore: OpenRestore | undefined }> {
    let header: SnapshotHeader | undefined;
    let restore: OpenRestore | undefined;
    let held: StateRecord[] = [];
    let bytes = 0;
    const stage = async (): Promise<void> => {
      if (held.length > 0) await this.#disk.stage(held, restore?.attempt ?? 0);
      held = [];
      bytes = 0;
    };
    for await (const part of decodeSnapshot(contents)) {
      if (part.kind === 'header') {
        header = part.header;
        continue;
      }
      if (part.kind === 'restore') {
        await stage();
        restore = part.restore;
        continue;
      }
      for (const record of part.records) bytes += record[0].length + record[1].length;
      held = held.concat(part.records);
      if (bytes >= STAGE_BYTES) await stage();
    }
    await stage();
    if (header === undefined) throw new StorageError('corrupt', 'the snapshot has no header');
    return { header, restore };
  }

  #check(header: SnapshotHeader, meta: SnapshotMeta): void {
    if (header.clusterId !== this.#clusterId) throw new StorageError('conflict', 'a snapshot of another cluster');
    if (header.index !== meta.index || header.term !== meta.term) {
      throw new StorageError('corrupt', 'the snapshot is not the one that was announced');
    }
  }

  #message(from: PeerId, header: SnapshotHeader): Message {
    const { index, term, members } = header;
    const snapshot = { index, term, membership: members.membership };
    return { kind: 'snapshot', from, to: this.#self, term: header.leaderTerm, snapshot };
  }
}

/** The same pieces, until the signal says that nobody wants them any more, also in the middle of waiting for one. */
async function* untilAborted(contents: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const pieces = contents[Symbol.asyncIterator]();
  let onAbort: (() => void) | undefined;
  signal.addEventListener('abort', () => onAbort?.(), { once: true });
  // No race with one promise for all pieces: that would hold each of them to the end.
  const next = (): Promise<IteratorResult<Uint8Array, unknown>> =>
    new Promise((resolve, reject) => {
      onAbort = () => reject(new StorageError('conflict', 'the leader sends another snapshot'));
      if (signal.aborted) onAbort();
      else pieces.next().then(resolve, reject);
    });
  try {
    for (;;) {
      const piece = await next();
      if (piece.done === true) return;
      yield piece.value;
    }
  } finally {
    // Where it still waits for a piece it ends with its connection; nobody is left to be told how.
    pieces.return?.().catch(() => undefined);
  }
}
