import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { RequestError, badRequest } from '@coffer/sdk';
import type { AuditDevice } from '@coffer/sdk';
import type { Log } from '@coffer/kernel';

/** How often a file is looked for that was moved or deleted under us, in writes. */
const WRITES_PER_CHECK = 64;

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a file device is opened with. */
export interface FileDeviceOptions {
  /** `stdout`, `discard` or an absolute path. */
  readonly path: string;
  /** Permissions of a new file; 0: leave those that are. */
  readonly mode: number;
}

/** @throws RequestError for a path or mode that does not fit */
export function parseFileOptions(options: Readonly<Record<string, string>>): FileDeviceOptions {
  const path = options.file_path ?? options.path ?? '';
  if (path === '') throw badRequest('file_path is required');
  if (path !== 'stdout' && path !== 'discard' && !isAbsolute(path))
    throw badRequest('file_path must be an absolute path, "stdout" or "discard"');
  const { mode: text } = options;
  if (text === undefined) return { path, mode: 0o600 };
  const mode = /^0?[0-7]{3,4}$|^0$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (Number.isNaN(mode)) throw badRequest(`mode "${text}" is not an octal number such as 0600`);
  // A log that can be run is a way to run code (CVE-2025-6000).
  if ((mode & 0o7111) !== 0) throw badRequest(`mode "${text}" must not have execute, set-user or sticky bits`);
  return { path, mode };
}

/** Begins like a line of an audit log: a prefix of one word, then an object. A line may have been torn off before it. */
const AUDIT_LINE = /^\n*[\w@.:-]{0,64} ?\{(?:["\n]|$)/;

/**
 * Who may enable a device names a file: it must not be one that is something else, such as a key, a script or the store
 * itself, which lines at its end would break or change (CVE-2025-6000).
 *
 * @throws RequestError
 */
async function refuseOther(file: FileHandle): Promise<void> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(128), 0, 128, 0);
  if (!AUDIT_LINE.test(buffer.toString('latin1', 0, bytesRead)))
    throw badRequest('file_path names a file that holds something else than an audit log');
}

/**
 * Appends lines to a file. Lines that arrive while a write is under way form the next write. A file that was moved or
 * deleted is noticed and made anew.
 */
export class FileDevice implements AuditDevice {
  readonly #options: FileDeviceOptions;
  readonly #log: Log;
  #file: FileHandle | undefined;
  #inode = 0;
  #waiting: Waiting[] = [];
  #writing = false;
  #writes = 0;
  /** A write failed: half a line may be in the file, and the next begins on a line of its own. */
  #torn = false;
  #reopening: Promise<void> | undefined;
  #flushed: Promise<void> = Promise.resolve();

  private constructor(options: FileDeviceOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** @throws RequestError where the file cannot be opened: the text names the reason but not what lies there */
  static async open(options: FileDeviceOptions, log: Log): Promise<FileDevice> {
    const device = new FileDevice(options, log);
    try {
      await device.#openFile();
    } catch (cause) {
      if (cause instanceof RequestError) throw cause;
      const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'unknown';
      throw badRequest(`sanity check failed; unable to open "${options.path}" for writing: ${code}`);
    }
    return device;
  }

  async #openFile(): Promise<void> {
    const { path, mode } = this.#options;
    if (path === 'discard' || path === 'stdout') return;
    const file = await open(path, 'a+', mode === 0 ? 0o600 : mode);
    try {
      const found = await file.stat();
      // Devices and pipes belong to others: a mode of ours on /dev/null would be everybody's trouble.
      if (found.isFile()) {
        if (found.size > 0) await refuseOther(file);
        if (mode !== 0 && (found.mode & 0o777) !== mode) await file.chmod(mode);
      }
      this.#inode = found.ino;
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
  }

  write(line: string): Promise<void> {
    if (this.#options.path === 'discard') return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      if (!this.#writing) this.#flushed = this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#writeText(group.map(({ line }) => `${line}\n`).join(''));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = false;
  }

  async #writeText(text: string): Promise<void> {
    if (this.#options.path === 'stdout') {
      await new Promise<void>((resolve, reject) =>
        process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
      );
      return;
    }
    if (!this.#file || (++this.#writes % WRITES_PER_CHECK === 0 && (await this.#wasMoved()))) await this.reopen();
    if (!this.#file) throw new Error('the audit file is not open');
    try {
      await this.#file.appendFile(this.#torn ? `\n${text}` : text);
      this.#torn = false;
    } catch (error) {
      this.#torn = true;
      throw error;
    }
  }

  async #wasMoved(): Promise<boolean> {
    try {
      return (await stat(this.#options.path)).ino !== this.#inode;
    } catch (error) {
      this.#log.warn('the audit file is gone; a new one is made', { path: this.#options.path, error });
      return true;
    }
  }

  /** One at a time: a signal may come while a write opens the file anew, and no handle may be lost. */
  reopen(): Promise<void> {
    this.#reopening ??= this.#openAnew().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #openAnew(): Promise<void> {
    const before = this.#file;
    this.#file = undefined;
    await before?.close();
    await this.#openFile();
  }

  async close(): Promise<void> {
    await this.#flushed;
    await this.#file?.close();
    this.#file = undefined;
  }
}
