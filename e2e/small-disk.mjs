/**
 * A small disk for one node: an ext4 file system in an image file, which lies in a tmpfs of its own. It can be filled,
 * its device can fail for real (the tmpfs below it is full), it can be frozen, and what a loss of power would leave of it
 * can be copied off. Linux and root only.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const mounted = new Set();
const unmount = (folder) => {
  // a frozen one cannot be unmounted
  spawnSync('fsfreeze', ['-u', folder], { stdio: 'ignore' });
  spawnSync('umount', ['-l', folder]);
  mounted.delete(folder);
};
process.on('exit', () => {
  for (const folder of [...mounted].reverse()) unmount(folder);
});

const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });

function mount(folder, ...args) {
  mkdirSync(folder, { recursive: true });
  run('mount', ...args, folder);
  mounted.add(folder);
}

/** Why such disks cannot be had here; undefined if they can. */
export function noSmallDisks() {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid() !== 0) return 'needs root, to mount file systems';
  const folder = `/tmp/coffer-mount-${process.pid}`;
  let disk;
  try {
    disk = new SmallDisk(folder, { imageMiB: 8, poolMiB: 10 });
    return undefined;
  } catch (error) {
    return `file systems cannot be mounted (${String(error.stderr ?? error.message).trim()})`;
  } finally {
    disk?.remove();
    rmSync(folder, { recursive: true, force: true });
    rmSync(`${folder}-pool`, { recursive: true, force: true });
  }
}

/** Fills a file system with one file, but for so many bytes. */
function fill(folder, keepBytes) {
  const path = join(folder, 'filler');
  const file = openSync(path, 'a');
  const block = Buffer.alloc(64 << 10, 1);
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(folder);
      const room = bavail * bsize - keepBytes;
      if (room <= 0) return;
      writeSync(file, block, 0, Math.min(block.length, room));
    }
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

export class SmallDisk {
  /**
   * @param {string} folder where it is mounted
   * @param {object} size of the file system and of the tmpfs that has to hold what is used of it
   */
  constructor(folder, { imageMiB = 96, poolMiB = 128 } = {}) {
    this.folder = folder;
    this.pool = `${folder}-pool`;
    this.image = join(this.pool, 'image');
    mount(this.pool, '-t', 'tmpfs', '-o', `size=${poolMiB}m`, 'tmpfs');
    const file = openSync(this.image, 'w');
    ftruncateSync(file, imageMiB << 20);
    closeSync(file);
    run('mkfs.ext4', '-q', '-m', '0', this.image);
    // nothing is written that nobody asked for
    mount(folder, '-o', 'loop,commit=3600', this.image);
  }

  /** Only so many bytes are left. */
  fill(keepBytes = 0) {
    fill(this.folder, keepBytes);
  }

  free() {
    rmSync(join(this.folder, 'filler'), { force: true });
  }

  /** The device fails: writes to blocks that were not in use end in an error. */
  breakDevice() {
    fill(this.pool, 0);
  }

  /** Mounts it anew as after a repair: with its journal replayed. */
  repairDevice() {
    rmSync(join(this.pool, 'filler'), { force: true });
    unmount(this.folder);
    mount(this.folder, '-o', 'loop,commit=3600', this.image);
  }

  /** Writes and syncs do not come to an end. */
  freeze() {
    run('fsfreeze', '-f', this.folder);
  }

  thaw() {
    run('fsfreeze', '-u', this.folder);
  }

  /** What a loss of power at this instant leaves, mounted at another folder. */
  afterPowerLoss(folder) {
    const image = `${folder}.image`;
    copyFileSync(this.image, image);
    mount(folder, '-o', 'loop', image);
    return {
      folder,
      remove: () => {
        unmount(folder);
        rmSync(image);
      },
    };
  }

  remove() {
    unmount(this.folder);
    unmount(this.pool);
  }
}
