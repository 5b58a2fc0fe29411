import { assert, type CancelTimer, type Clock, type Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import { damagedDisk, verifyTables } from '../disk/check-files.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import { freeRoom, measureDisk, type DiskSizes } from './disk-sizes.ts';
import { replayLocally } from './replay.ts';

/** How long it waits before it opens a failed disk anew, at first and at most, in milliseconds. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5000;
/** A disk that was full is used again when so many bytes are free, or so large a part of it. */
const FREE_BYTES_MIN = 64 << 20;
const FREE_SHARE = 1 / 20;
/** How often the disk is measured, in milliseconds. */
const MEASURE_MS = 5000;
/** It is said in the log when so many times the room is left at which a full disk would be used again, or less. */
const SCARCE_FACTOR = 4;
/** Verifying tables rests so long after each slice (256 KiB), in milliseconds. */
const VERIFY_REST_MS = 8;

export interface DiskKeeperHost {
  /** A disk that is open begins to fail; comes once until `reopened`. */
  failed(error: StorageError): void;
  /** After a failure the disk is open again. What it holds may be older than what was read from it before. */
  reopened(disk: LevelDisk): void;
}

/**
 * Keeps a node's disk open. After a write failed nothing that was in memory or in the page cache counts any more: the
 * disk is closed and opened anew, again and again until that succeeds. Damage is final until the process ends: what a
 * damaged disk lost, the vote among it, only an operator can judge.
 */
export class DiskKeeper {
  readonly #path: string;
  readonly #nodeId: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #host: DiskKeeperHost;
  #disk: LevelDisk | undefined;
  #failure: StorageError | undefined;
  #opened = false;
  #closed = false;
  #sizes: DiskSizes | undefined;
  #measuring: Promise<void> | undefined;
  #cancelMeasuring: CancelTimer | undefined;
  #scarce = false;
  #recovering: Promise<void> | undefined;
  #verifying: Promise<void> | undefined;
  readonly #rests = new Set<() => void>();

  constructor(parts: {
    readonly path: string;
    readonly nodeId: string;
    readonly clock: Clock;
    readonly log: Log;
    readonly host: DiskKeeperHost;
  }) {
    this.#path = parts.path;
    this.#nodeId = parts.nodeId;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#host = parts.host;
  }

  /** What is wrong with the disk, if anything. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** The disk, while it is open; also after a failure, until it is opened anew. */
  get found(): LevelDisk | undefined {
    return this.#disk;
  }

  /** A few seconds old; undefined until it was measured. */
  get sizes(): DiskSizes | undefined {
    return this.#sizes;
  }

  /** @throws StorageError `closed`, or `disk` while it is being opened anew */
  get disk(): LevelDisk {
    if (this.#disk !== undefined) return this.#disk;
    if (this.#failure === undefined) throw new StorageError('closed', 'the storage is not open');
    throw new StorageError('disk', 'the disk of this node failed', { cause: this.#failure });
  }

  /** @throws StorageError `disk`, `corrupt` */
  async open(): Promise<void> {
    assert(!this.#opened, 'a node is opened once');
    this.#opened = true;
    this.#use(await this.#openNow(true));
    const measure = (): void => {
      this.#measuring ??= this.#measure().finally(() => {
        this.#measuring = undefined;
      });
    };
    this.#cancelMeasuring = this.#clock.every(MEASURE_MS, measure);
    measure();
  }

  /** The disk that is open fails, or shows damage. */
  fail(error: StorageError): void {
    if (this.#failure !== undefined || this.#closed) return;
    this.#failure = error;
    this.#host.failed(error);
    if (error.code === 'corrupt') {
      this.#log.error('the disk is damaged; this node takes no further part', { error });
      return;
    }
    this.#log.error('the disk failed; it is opened anew as soon as that is possible', { error });
    this.#recovering = this.#recover();
  }

  /** @throws StorageError `disk` */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelMeasuring?.();
    this.#wake();
    await this.#measuring;
    await this.#recovering;
    await this.#verifying;
    const disk = this.#disk;
    this.#disk = undefined;
    if (disk === undefined) return;
    if (this.#failure !== undefined) {
      await this.#drop(disk);
      return;
    }
    if (disk.behind) await disk.commit({ entries: [] });
    await disk.close();
  }

  async #openNow(create: boolean): Promise<LevelDisk> {
    const disk = await LevelDisk.open(this.#path, this.#nodeId, create);
    try {
      await replayLocally(disk);
      return disk;
    } catch (error) {
      await this.#drop(disk);
      throw error;
    }
  }

  #use(disk: LevelDisk): void {
    this.#disk = disk;
    this.#failure = undefined;
    disk.onFault((error) => {
      if (this.#disk === disk) this.fail(error);
    });
    this.#verifying = this.#verify(disk);
  }

  async #recover(): Promise<void> {
    let before: LevelDisk | undefined;
    for (let attempt = 0; !this.#closed; attempt++) {
      await this.#rest(Math.min(RETRY_MS_MIN * 2 ** attempt, RETRY_MS_MAX));
      if (this.#closed || !(await this.#hasRoom())) continue;
      await this.#verifying;
      const old = this.#disk;
      this.#disk = undefined;
      if (old !== undefined) {
        before = old;
        await this.#drop(old);
      }
      try {
        const disk = await this.#openNow(before?.identity === undefined);
        await this.#mustBeTheSame(disk, before);
        this.#use(disk);
        this.#log.info('the disk works again and was opened anew', { applied: disk.applied });
        this.#host.reopened(disk);
        return;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        if (error.message !== this.#failure?.message) this.#log.error('the disk cannot be opened anew', { error });
        this.#failure = error;
        if (error.code === 'corrupt') return;
      }
    }
  }

  /** @throws StorageError `corrupt` where the disk lost what it had said to be written */
  async #mustBeTheSame(disk: LevelDisk, before: LevelDisk | undefined): Promise<void> {
    if (before === undefined) return;
    const { term, applied, cut } = before.durable;
    const now = disk.durable;
    const kept = now.term >= term && now.applied >= applied && now.cut >= cut;
    if (kept && disk.identity?.clusterId === before.identity?.clusterId) return;
    await this.#drop(disk);
    throw damagedDisk('it lost what had been written and synced');
  }

  /** Whether the disk is not full; where that cannot be told, opening it shows what is wrong. */
  async #hasRoom(): Promise<boolean> {
    try {
      const { freeBytes, totalBytes } = await freeRoom(this.#path);
      return freeBytes >= Math.min(FREE_BYTES_MIN, totalBytes * FREE_SHARE);
    } catch (error) {
      this.#log.debug('the free space cannot be told', { error });
      return true;
    }
  }

  async #measure(): Promise<void> {
    const disk = this.#disk;
    if (disk === undefined || this.#failure !== undefined) return;
    try {
      this.#sizes = await measureDisk(this.#path, disk);
      const { freeBytes, totalBytes } = await freeRoom(this.#path);
      const scarce = freeBytes < SCARCE_FACTOR * Math.min(FREE_BYTES_MIN, totalBytes * FREE_SHARE);
      if (scarce && !this.#scarce) this.#log.warn('the disk is nearly full', { freeBytes, totalBytes });
      this.#scarce = scarce;
    } catch (error) {
      this.#log.debug('the disk cannot be measured', { error });
    }
  }

  /** Closes a disk that failed: that this fails, too, says nothing new. */
  async #drop(disk: LevelDisk): Promise<void> {
    await disk.close().catch((error: unknown) => this.#log.debug('closing the failed disk failed', { error }));
  }

  /** Looks through the tables that were there for damage that reading would not show. */
  async #verify(disk: LevelDisk): Promise<void> {
    const current = (): boolean => !this.#closed && this.#disk === disk && this.#failure === undefined;
    try {
      await verifyTables(this.#path, disk.oldTables, async () => {
        await this.#rest(VERIFY_REST_MS);
        if (!current()) throw ENDED;
      });
    } catch (error) {
      if (error === ENDED || !current()) return;
      this.fail(error instanceof StorageError ? error : damagedDisk('a table cannot be read', error));
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#rests.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(ms, done);
      this.#rests.add(done);
      if (this.#closed) done();
    });
  }

  #wake(): void {
    for (const done of [...this.#rests]) done();
  }
}

/** Ends verifying when the disk is used no more. */
const ENDED = new Error('ended');
