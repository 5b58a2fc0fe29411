import { createServer } from 'node:net';
import type { ListenerConfig, ServerConfig } from '../server-config/server-config.ts';
import { codeOf } from '../error-code.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const LISTEN = 'Check Listener Address';

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port` as `listener` has it; without a host all addresses. */
function hostPort(address: string): HostPort {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' ? '0.0.0.0' : host, port: Number(address.slice(colon + 1)) };
}

/** Whether every address can be listened on now: not while the server itself runs. */
export async function checkListenAddresses(listeners: readonly ListenerConfig[]): Promise<readonly Finding[]> {
  const wanted = listeners.flatMap(({ address, clusterAddress }, index) => {
    const { host, port } = hostPort(address);
    // The cluster is served at the first listener, one port up unless said otherwise.
    const cluster = clusterAddress ?? (host.includes(':') ? `[${host}]` : host) + `:${String(port + 1)}`;
    return index === 0 && port !== 0 ? [address, cluster] : [address];
  });
  const findings: Finding[] = [];
  for (const [index, address] of wanted.entries()) {
    if (hostPort(address).port !== 0 && wanted.indexOf(address) !== index)
      findings.push(fail(LISTEN, `${address} is wanted twice`, 'Give every listener an address of its own.'));
    else findings.push(await checkFree(address));
  }
  return findings;
}

function checkFree(address: string): Promise<Finding> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      const advice =
        codeOf(error) === 'EADDRINUSE'
          ? 'Stop what listens there (the server itself?), or choose another port.'
          : 'Choose an address that this machine has, and a port that the server’s user may use.';
      resolve(fail(LISTEN, `${address} cannot be listened on: ${codeOf(error)}`, advice));
    });
    server.listen(hostPort(address), () => server.close(() => resolve(ok(LISTEN, `${address} is free`))));
  });
}

/** What this node tells others about where it is. */
export function checkAdvertisedAddresses(config: ServerConfig): readonly Finding[] {
  return [...checkApiAddr(config), ...checkClusterAddr(config), ...checkDistinct(config)];
}

function checkApiAddr({ apiAddr, listeners, storage }: ServerConfig): readonly Finding[] {
  const name = 'Check API Address';
  if (apiAddr === undefined) {
    if (storage.kind === 'inmem') return [ok(name, 'api_addr is not set, and not needed')];
    return [
      warn(name, 'api_addr is not set: others are sent to the listener’s address', 'Set it to what clients can reach.'),
    ];
  }
  const findings: Finding[] = [...checkReachable(name, 'api_addr', apiAddr, storage)];
  const hasTls = listeners.some(({ tls }) => tls !== undefined);
  const hasPlain = listeners.some(({ tls }) => tls === undefined);
  if (apiAddr.startsWith('https:') && !hasTls)
    findings.push(
      warn(name, `api_addr is ${apiAddr}, but no listener has TLS`, 'Right only behind a proxy that ends TLS.'),
    );
  if (apiAddr.startsWith('http:') && !hasPlain)
    findings.push(fail(name, `api_addr is ${apiAddr}, but every listener has TLS`, 'Write https:// there.'));
  return findings.length > 0 ? findings : [ok(name, `api_addr is ${apiAddr}`)];
}

function checkClusterAddr({ clusterAddr, storage }: ServerConfig): readonly Finding[] {
  const name = 'Check Cluster Address';
  if (storage.kind === 'inmem') return [];
  if (clusterAddr === undefined)
    return [
      warn(
        name,
        'cluster_addr is not set: other nodes are told the listener’s address, one port up',
        'Set it to what the other nodes can reach.',
      ),
    ];
  const findings = checkReachable(name, 'cluster_addr', clusterAddr, storage);
  return findings.length > 0 ? findings : [ok(name, `cluster_addr is ${clusterAddr}`)];
}

function checkReachable(
  name: string,
  key: string,
  address: string,
  storage: ServerConfig['storage'],
): readonly Finding[] {
  const host = new URL(address).hostname;
  if (host === '0.0.0.0' || host === '[::]')
    return [
      fail(
        name,
        `${key} is ${address}, which is every address and none`,
        'Name the address that others reach this node at.',
      ),
    ];
  const isLoopback = host === 'localhost' || host === '[::1]' || /^127\./.test(host);
  if (!isLoopback || storage.kind !== 'raft' || storage.retryJoin.length === 0) return [];
  return [
    warn(
      name,
      `${key} is ${address}, which leads every other machine to itself`,
      'Right only if all nodes run on this machine.',
    ),
  ];
}

function checkDistinct({ apiAddr, clusterAddr }: ServerConfig): readonly Finding[] {
  if (apiAddr === undefined || clusterAddr === undefined) return [];
  const [api, cluster] = [new URL(apiAddr), new URL(clusterAddr)];
  if (api.host !== cluster.host) return [];
  return [
    fail(
      'Check Cluster Address',
      `api_addr and cluster_addr are both ${api.host}`,
      'They are two ports: 8200 and 8201 by default.',
    ),
  ];
}
