import { createReadStream } from 'node:fs';
import { decodeSnapshot } from '@coffer/cluster';
import { readArchive } from '@coffer/snapshot';
import type { ArchiveMeta } from '@coffer/snapshot';

/** How much of a state lies below one prefix. */
export interface KeyShare {
  readonly name: string;
  readonly count: number;
  /** Bytes of keys and values. */
  readonly size: number;
}

export interface InspectedSnapshot {
  readonly meta: ArchiveMeta;
  /** By size, the largest first. */
  readonly shares: readonly KeyShare[];
  readonly count: number;
  /** Bytes of keys and values. */
  readonly size: number;
}

export interface InspectOptions {
  /** So many segments of a key make its prefix. */
  readonly depth: number;
  /** Only keys that begin with it. */
  readonly filter: string;
}

/** Reads an archive from its first byte to its last and checks every sum in it. @throws ArchiveError, system errors */
export async function verifySnapshotFile(path: string): Promise<ArchiveMeta> {
  return readArchive(createReadStream(path, { highWaterMark: 1 << 20 }), {
    stateBytesMax: Number.POSITIVE_INFINITY,
    state: async (contents) => {
      for await (const part of decodeSnapshot(contents)) void part;
    },
  });
}

/** As `verifySnapshotFile`, and tells what the state is made of. */
export async function inspectSnapshotFile(path: string, options: InspectOptions): Promise<InspectedSnapshot> {
  const shares = new Map<string, { count: number; size: number }>();
  let count = 0;
  let total = 0;
  const meta = await readArchive(createReadStream(path, { highWaterMark: 1 << 20 }), {
    stateBytesMax: Number.POSITIVE_INFINITY,
    state: async (contents) => {
      for await (const part of decodeSnapshot(contents)) {
        if (part.kind !== 'records') continue;
        for (const [key, value] of part.records) {
          if (!key.startsWith(options.filter)) continue;
          const size = Buffer.byteLength(key) + value.length;
          const name = key.split('/').slice(0, options.depth).join('/');
          const share = shares.get(name) ?? { count: 0, size: 0 };
          shares.set(name, { count: share.count + 1, size: share.size + size });
          count++;
          total += size;
        }
      }
    },
  });
  const sorted = [...shares].map(([name, share]) => ({ name, ...share })).sort((a, b) => b.size - a.size);
  return { meta, shares: sorted, count, size: total };
}
