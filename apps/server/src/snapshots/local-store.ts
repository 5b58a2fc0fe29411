import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptSnapshot, SnapshotStore } from './snapshot-store.ts';

const PARTIAL = '.partial';

/** Snapshots in a folder of the node; it is created if need be. */
export class LocalStore implements SnapshotStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  url(name: string): string {
    return join(this.#folder, name);
  }

  async list(): Promise<readonly KeptSnapshot[]> {
    await this.#create();
    const kept: KeptSnapshot[] = [];
    for (const entry of await readdir(this.#folder, { withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith(PARTIAL)) continue;
      kept.push({ name: entry.name, size: (await stat(join(this.#folder, entry.name))).size });
    }
    return kept;
  }

  async put(name: string, contents: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#create();
    const partial = join(this.#folder, name + PARTIAL);
    try {
      const file = await open(partial, 'w', 0o600);
      try {
        for await (const piece of contents) await file.write(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, join(this.#folder, name));
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    const folder = await open(this.#folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  read(name: string): Promise<AsyncIterable<Uint8Array>> {
    return Promise.resolve(createReadStream(join(this.#folder, name), { highWaterMark: 1 << 20 }));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.#folder, name), { force: true });
  }

  close(): void {
    // Nothing is held open.
  }

  async #create(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }
}
