import { join } from 'node:path';
import { ServerProgram, freePort, ownFolder, unprivilegedUser } from './server-program.ts';
import type { ServerTls } from './test-authority.ts';

/** A member of an etcd cluster. */
export interface RunningEtcd {
  readonly program: ServerProgram;
  /** For clients. */
  readonly url: string;
  /** Whether it leads the others. */
  leads(): Promise<boolean>;
}

interface Place {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly peerUrl: string;
  /** Answers about its health without TLS. */
  readonly metricsUrl: string;
}

/** Starts an empty etcd of one member, with its default limits. @param tls with it, only who shows a certificate gets in */
export async function runEtcd(tls?: ServerTls): Promise<RunningEtcd> {
  const [only] = await runEtcdCluster(1, tls);
  if (!only) throw new Error('no member was started');
  return only;
}

/** Starts an empty etcd of several members. @param tls as in `runEtcd` */
export async function runEtcdCluster(count: number, tls?: ServerTls): Promise<readonly RunningEtcd[]> {
  const user = unprivilegedUser('nobody');
  const places: Place[] = [];
  for (let number = 1; number <= count; number++) {
    places.push({
      name: `member-${String(number)}`,
      folder: ownFolder('etcd', user),
      url: `${tls ? 'https' : 'http'}://127.0.0.1:${String(await freePort())}`,
      peerUrl: `http://127.0.0.1:${String(await freePort())}`,
      metricsUrl: `http://127.0.0.1:${String(await freePort())}`,
    });
  }
  const files = tls?.issuedFor(user);
  const members = places.map((place): RunningEtcd => {
    const program = new ServerProgram({
      folder: place.folder,
      command: [
        'etcd',
        ...['--name', place.name, '--data-dir', join(place.folder, 'data'), '--logger', 'zap', '--log-level', 'warn'],
        ...['--listen-client-urls', place.url, '--advertise-client-urls', place.url],
        ...['--listen-peer-urls', place.peerUrl, '--initial-advertise-peer-urls', place.peerUrl],
        ...['--initial-cluster', places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')],
        ...['--listen-metrics-urls', place.metricsUrl],
        ...(files
          ? ['--client-cert-auth', '--trusted-ca-file', files.caFile, '--cert-file', files.certFile].concat([
              '--key-file',
              files.keyFile,
            ])
          : []),
      ],
      user,
      answers: async () => (await ask(`${place.metricsUrl}/health`)).ok,
    });
    const leads = async (): Promise<boolean> =>
      /^etcd_server_is_leader 1$/m.test(await (await ask(`${place.metricsUrl}/metrics`)).text());
    return { program, url: place.url, leads };
  });
  await Promise.all(members.map(({ program }) => program.start()));
  return members;
}

const ask = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(1000) });
