import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningPostgresql } from './run-postgresql.ts';
import { ServerProgram, accepts, freePort, ownFolder, unprivilegedUser } from './server-program.ts';

/** A PgBouncer before a PostgreSQL server. */
export interface RunningPgbouncer {
  readonly program: ServerProgram;
  readonly url: string;
}

/** Few, so that clients have to share them. */
const SERVER_CONNECTIONS = 4;

/** Starts one that lends a connection of the server for a transaction. */
export async function runPgbouncer(server: RunningPostgresql): Promise<RunningPgbouncer> {
  const user = unprivilegedUser('postgres');
  const folder = ownFolder('pgbouncer', user);
  const port = await freePort();
  const settings = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, '"coffer" ""\n');
  writeFileSync(
    settings,
    `[databases]
postgres = host=127.0.0.1 port=${String(server.port)} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${String(port)}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${String(SERVER_CONNECTIONS)}
max_client_conn = 500
server_login_retry = 1
`,
  );
  if (user) for (const file of [settings, users]) chownSync(file, user.uid, user.gid);
  const program = new ServerProgram({
    folder,
    command: ['/usr/sbin/pgbouncer', settings],
    user,
    answers: () => accepts(port),
  });
  await program.start();
  return { program, url: `postgres://coffer@127.0.0.1:${String(port)}/postgres` };
}
