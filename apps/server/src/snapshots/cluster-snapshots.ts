import { createReadStream } from 'node:fs';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { BarrierError, KEYRING_KEY, REQUIRED_BARRIER_KEYS, ROOT_KEY_COPY_KEY } from '@coffer/barrier';
import type { SealKey, StoredKeys } from '@coffer/barrier';
import { decodeSnapshot } from '@coffer/cluster';
import type { RaftNode } from '@coffer/cluster';
import type { SnapshotOperations, SnapshotSchedules } from '@coffer/core-system';
import type { Clock, Log, Random } from '@coffer/kernel';
import { RequestError, badRequest } from '@coffer/sdk';
import { ArchiveError, STATE_FORMAT, readArchive, writeArchive } from '@coffer/snapshot';
import { StorageError } from '@coffer/storage';
import type { Restore } from '../node/restoring.ts';
import { LocalStore } from './local-store.ts';
import { primed } from './primed.ts';
import { SnapshotScheduler } from './snapshot-scheduler.ts';
import type { ScheduleStorage } from './snapshot-scheduler.ts';

/** What the node has to do with its snapshots. */
export interface RestorableNode {
  /** Encrypts and decrypts the sums of archives; undefined while sealed. */
  readonly sealKey: () => SealKey | undefined;
  /** Does what belongs before and after a restore; resolves when this node serves that state, or has sealed itself. */
  readonly restoring: (state: StoredKeys | undefined, restore: Restore) => Promise<void>;
}

export interface ClusterSnapshotsDeps extends RestorableNode {
  readonly raft: RaftNode;
  /** Where a received state lies until it is in the log; encrypted, as it is in the store. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * A restore needs its size on the disk for what was received, once more for the state beside the present one, and some
 * for the log: it takes no state larger than this part of what is free.
 */
const PART_OF_FREE_SPACE = 1 / 3;

/** Snapshots by hand and by themselves. */
export interface NodeSnapshots extends SnapshotOperations {
  readonly schedules: SnapshotSchedules & {
    /** The node is active. */
    start(storage: ScheduleStorage): void;
    stop(): void;
  };
}

/** Archives of the cluster's state, and back. */
export class ClusterSnapshots implements NodeSnapshots {
  readonly schedules: SnapshotScheduler;
  readonly #deps: ClusterSnapshotsDeps;
  #restoring = false;

  constructor(deps: ClusterSnapshotsDeps) {
    this.#deps = deps;
    // What a crash in the middle of a restore left.
    rm(deps.folder, { recursive: true, force: true }).catch((error: unknown) =>
      deps.log.warn('what a restore left cannot be removed', { error }),
    );
    this.schedules = new SnapshotScheduler({
      clock: deps.clock,
      log: deps.log,
      save: () => this.save(),
      verify: (archive) => this.verify(archive),
      openStore: async ({ pathPrefix, target }) => {
        if (target.kind === 'local') return new LocalStore(pathPrefix);
        const { S3Store } = await import('./s3-store.ts');
        return new S3Store(target, pathPrefix);
      },
    });
  }

  save(): Promise<AsyncIterable<Uint8Array>> {
    return primed(this.#archive());
  }

  async *#archive(): AsyncGenerator<Uint8Array> {
    const { raft, clock } = this.#deps;
    const sealKey = this.#sealKey();
    const snapshot = await raft.snapshot();
    try {
      const { index, term, clusterId, peers } = snapshot;
      const servers = peers.map(({ nodeId, address, voter }) => {
        return { Suffrage: voter ? ('Voter' as const) : ('Nonvoter' as const), ID: nodeId, Address: address };
      });
      yield* writeArchive({
        meta: {
          ID: `${String(term)}-${String(index)}-${String(clock.nowMs())}`,
          Index: index,
          Term: term,
          Configuration: { Servers: servers },
          Format: STATE_FORMAT,
          ClusterID: clusterId,
        },
        contents: () => snapshot.contents(),
        seal: (sums) => sealKey.encrypt(sums),
        nowMs: clock.nowMs(),
      });
    } finally {
      await snapshot.close();
    }
  }

  /** Reads an archive and checks every sum and seal in it. @throws ArchiveError, StorageError `corrupt` */
  async verify(archive: AsyncIterable<Uint8Array>): Promise<void> {
    const sealKey = this.#sealKey();
    await readArchive(archive, {
      stateBytesMax: Number.POSITIVE_INFINITY,
      state: async (contents) => {
        for await (const part of decodeSnapshot(contents)) void part;
      },
      unseal: (sealed) => sealKey.decrypt(sealed),
    });
  }

  async restore(archive: AsyncIterable<Uint8Array>, force: boolean): Promise<void> {
    if (this.#restoring) throw badRequest('another snapshot is being restored');
    this.#restoring = true;
    const { folder, log, raft, random, restoring } = this.#deps;
    try {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, `${random.uuid()}.state`);
      const id = await this.#receive(archive, force, file);
      log.warn('restoring a snapshot', { id, force });
      const contents = (): AsyncIterable<Uint8Array> => createReadStream(file, { highWaterMark: 1 << 20 });
      const keys = await keysIn(contents());
      await restoring(keys, (kept) => raft.restore(contents, REQUIRED_BARRIER_KEYS, kept));
      log.warn('restored a snapshot', { id });
    } catch (error) {
      throw told(error);
    } finally {
      this.#restoring = false;
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Puts the archive's state into a file, once all of it is verified. @returns the snapshot's id */
  async #receive(archive: AsyncIterable<Uint8Array>, force: boolean, file: string): Promise<string> {
    const { bavail, bsize } = await statfs(this.#deps.folder);
    const sealKey = this.#sealKey();
    const handle = await open(file, 'wx', 0o600);
    try {
      const meta = await readArchive(archive, {
        stateBytesMax: Math.floor(bavail * bsize * PART_OF_FREE_SPACE),
        state: async (contents, { Format: format }) => {
          if (format !== STATE_FORMAT) throw badRequest(otherFormat(format));
          for await (const piece of contents) await handle.write(piece);
        },
        ...(force ? {} : { unseal: (sealed: Uint8Array) => sealKey.decrypt(sealed) }),
      });
      return meta.ID;
    } finally {
      await handle.close();
    }
  }

  #sealKey(): SealKey {
    const sealKey = this.#deps.sealKey();
    if (!sealKey) throw new RequestError('sealed');
    return sealKey;
  }
}

/** What a state stores about its keys; undefined where it is none of an initialised cluster. @throws StorageError `corrupt` */
async function keysIn(contents: AsyncIterable<Uint8Array>): Promise<StoredKeys | undefined> {
  let keyring: Uint8Array | undefined;
  let rootKeyCopy: Uint8Array | undefined;
  for await (const part of decodeSnapshot(contents)) {
    if (part.kind !== 'records') continue;
    for (const [key, value] of part.records) {
      if (key === KEYRING_KEY) keyring = value;
      if (key === ROOT_KEY_COPY_KEY) rootKeyCopy = value;
    }
  }
  return keyring && { keyring, rootKeyCopy };
}

function otherFormat(format: string): string {
  const ours = format.startsWith('coffer-snapshot/');
  const made = ours ? `has the form ${JSON.stringify(format.slice(0, 40))}` : 'was made by another program';
  return `the snapshot ${made}; expected ${STATE_FORMAT}`;
}

/** What is wrong with an archive is the client's to know; all else goes on as it is. */
function told(error: unknown): unknown {
  if (error instanceof ArchiveError) {
    if (error.cause instanceof BarrierError && error.cause.code === 'sealed') return error.cause;
    if (error.code === 'too-large') return new RequestError('too-large', error.message, { cause: error });
    return new RequestError('bad-request', error.message, { cause: error });
  }
  if (error instanceof StorageError) {
    if (error.code === 'corrupt' || error.code === 'conflict')
      return new RequestError('bad-request', error.message, { cause: error });
    if (error.code === 'too-large') return new RequestError('too-large', error.message, { cause: error });
    return error;
  }
  const { code } = error as { readonly code?: unknown };
  if (code === 'ENOSPC') return new RequestError('internal', 'the disk of the active node is full', { cause: error });
  return error;
}
