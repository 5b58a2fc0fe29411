import { join } from 'node:path';
import { ServerProgram, freePort, ownFolder, unprivilegedUser } from './server-program.ts';

/** An etcd of one member, with its default limits. */
export interface RunningEtcd {
  readonly program: ServerProgram;
  readonly url: string;
}

/** Starts an empty etcd. */
export async function runEtcd(): Promise<RunningEtcd> {
  const user = unprivilegedUser('nobody');
  const folder = ownFolder('etcd', user);
  const url = `http://127.0.0.1:${String(await freePort())}`;
  const peers = `http://127.0.0.1:${String(await freePort())}`;
  const program = new ServerProgram({
    folder,
    command: [
      'etcd',
      ...['--name', 'one', '--data-dir', join(folder, 'data'), '--logger', 'zap', '--log-level', 'warn'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `one=${peers}`],
    ],
    user,
    answers: async () => (await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) })).ok,
  });
  await program.start();
  return { program, url };
}
