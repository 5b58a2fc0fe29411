import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ServerProgram, freePort, ownFolder, runToEnd, unprivilegedUser } from './server-program.ts';

/** A PostgreSQL server of our own. */
export interface RunningPostgresql {
  readonly program: ServerProgram;
  readonly port: number;
  /** Of its superuser. */
  readonly url: string;
  /** Runs a statement, for what a test needs beside the program. */
  run(sql: string): void;
}

/** Debian keeps the server's programs out of the way, by version. */
function programFolder(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error(`there is no PostgreSQL server in ${root}: install Debian's "postgresql"`);
  return join(root, newest, 'bin');
}

/** Whether something accepts connections there. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Makes a database and starts its server. @param port a free one if left out */
export async function runPostgresql(port?: number): Promise<RunningPostgresql> {
  const bin = programFolder();
  const user = unprivilegedUser('postgres');
  const folder = ownFolder('postgresql', user);
  const data = join(folder, 'data');
  runToEnd(join(bin, 'initdb'), ['-D', data, '-U', 'coffer', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], user);
  const chosen = port ?? (await freePort());
  const program = new ServerProgram({
    folder,
    // To stop with SIGINT ends the sessions (fast shutdown).
    command: [
      join(bin, 'postgres'),
      ...['-D', data, '-p', String(chosen), '-k', folder],
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'max_connections=100'],
    ],
    user,
    answers: () => accepts(chosen),
  });
  await program.start();
  const url = `postgres://coffer@127.0.0.1:${String(chosen)}/postgres`;
  const run = (sql: string): void => runToEnd(join(bin, 'psql'), ['-v', 'ON_ERROR_STOP=1', '-c', sql, url], user);
  return { program, port: chosen, url, run };
}
