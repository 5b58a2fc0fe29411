import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Databases refuse to run as root: then they run as this user, which Debian's package brings. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** @returns undefined where this process is not root: what it starts runs as the same user */
export function unprivilegedUser(name: string): User | undefined {
  if (userInfo().uid !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user "${name}" to run a database as`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** A port that nothing listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Whether something accepts connections at a port of this machine. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A new folder that the user owns. */
export function ownFolder(name: string, user: User | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), `coffer-${name}-`));
  chmodSync(folder, 0o700);
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Runs a program to its end. @throws with its output if it fails */
export function runToEnd(command: string, args: readonly string[], user: User | undefined): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...user, cwd: '/', encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${String(status)}: ${stdout}${stderr}`);
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A database server as a child process that can be ended and started again over the same data. */
export class ServerProgram {
  readonly folder: string;
  readonly #command: readonly [string, ...string[]];
  readonly #user: User | undefined;
  readonly #answers: () => Promise<boolean>;
  #child: ChildProcess | undefined;

  constructor(parts: {
    readonly folder: string;
    readonly command: readonly [string, ...string[]];
    readonly user: User | undefined;
    /** Whether it can be used. */
    readonly answers: () => Promise<boolean>;
  }) {
    this.folder = parts.folder;
    this.#command = parts.command;
    this.#user = parts.user;
    this.#answers = parts.answers;
  }

  async start(): Promise<void> {
    const [command, ...args] = this.#command;
    const logFile = join(this.folder, 'server.log');
    const log = openSync(logFile, 'a');
    const child = spawn(command, args, { ...this.#user, cwd: '/', stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    running.add(child);
    let ended: unknown;
    child.once('error', (error) => {
      ended = error;
    });
    child.once('exit', (code, signal) => {
      ended = code ?? signal;
      running.delete(child);
    });
    const untilMs = Date.now() + 30_000;
    const answers = async (): Promise<boolean> => this.#answers();
    while (!(await answers().catch(() => false))) {
      if (ended !== undefined || Date.now() > untilMs)
        throw new Error(`${command} does not answer (${String(ended)}): ${readFileSync(logFile, 'utf8').slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exit;
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
