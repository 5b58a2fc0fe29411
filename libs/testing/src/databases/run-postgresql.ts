import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerTls } from './test-authority.ts';
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

/**
 * Makes a database and starts its server.
 *
 * @param port a free one if left out
 * @param tls with it, only who shows a certificate for the user's name gets in, by TLS
 */
export async function runPostgresql(port?: number, tls?: ServerTls): Promise<RunningPostgresql> {
  const user = unprivilegedUser('postgres');
  const folder = ownFolder('postgresql', user);
  const data = join(folder, 'data');
  const initdb = join(programFolder(), 'initdb');
  runToEnd(initdb, ['-D', data, '-U', 'coffer', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], user);
  if (tls) writeFileSync(join(data, 'pg_hba.conf'), 'local all all trust\nhostssl all all 127.0.0.1/32 cert\n');
  return serve(folder, port ?? (await freePort()), tls ? tlsSettings(tls.issuedFor(user)) : []);
}

/** Starts a replica of a server, which follows it until it is promoted (`SELECT pg_promote()`). */
export async function runPostgresqlReplica(primary: RunningPostgresql): Promise<RunningPostgresql> {
  const user = unprivilegedUser('postgres');
  const folder = ownFolder('postgresql', user);
  const from = ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'coffer'];
  const copied = ['-D', join(folder, 'data'), '--write-recovery-conf', '--checkpoint=fast', '--no-sync'];
  runToEnd(join(programFolder(), 'pg_basebackup'), [...from, ...copied], user);
  return serve(folder, await freePort(), []);
}

async function serve(folder: string, port: number, settings: readonly string[]): Promise<RunningPostgresql> {
  const bin = programFolder();
  const user = unprivilegedUser('postgres');
  const program = new ServerProgram({
    folder,
    // To stop with SIGINT ends the sessions (fast shutdown).
    command: [
      join(bin, 'postgres'),
      ...['-D', join(folder, 'data'), '-p', String(port), '-k', folder],
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'max_connections=100'],
      ...settings,
    ],
    user,
    // It listens before it lets anybody in.
    answers: () => {
      runToEnd(join(bin, 'pg_isready'), ['-h', folder, '-p', String(port)], user);
      return Promise.resolve(true);
    },
  });
  await program.start();
  const run = (sql: string): void => {
    const socket = ['-h', folder, '-p', String(port), '-U', 'coffer', '-d', 'postgres'];
    runToEnd(join(bin, 'psql'), ['-v', 'ON_ERROR_STOP=1', '-c', sql, ...socket], user);
  };
  return { program, port, url: `postgres://coffer@127.0.0.1:${String(port)}/postgres`, run };
}

function tlsSettings({ certFile, keyFile, caFile }: ReturnType<ServerTls['issuedFor']>): readonly string[] {
  const settings = ['ssl=on', `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`, `ssl_ca_file=${caFile}`];
  return settings.flatMap((setting) => ['-c', setting]);
}
