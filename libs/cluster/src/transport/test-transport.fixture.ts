import { createServer, connect as connectTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { systemClock, systemRandom } from '@coffer/kernel';
import type { Log, LogFields } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import { decodeMessage, encodeMessage } from 'raft-ts';
import type { Message, PeerId } from 'raft-ts';
import type { ClusterTls } from '../cluster.ts';
import { createClusterTls, issueNodeCertificate } from './cluster-ca.ts';
import { FrameReader, FrameType } from './frame.ts';
import type { Protocol } from './frame.ts';
import { encodeHello } from './hello.ts';
import { nodeName } from './node-name.ts';
import { TlsTransport } from './tls-transport.ts';
import type { TransportLimits } from './transport-options.ts';

export const CLUSTER_ID = 'cluster-one';
export const codec = { encode: encodeMessage, decode: decodeMessage };

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

/** A log that keeps what is written. */
export function recordingLog(): { readonly log: Log; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  const log: Log = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    named: () => log,
  };
  return { log, lines };
}

/** Looks until something is so. Gives up later than jest does, so that nothing goes on for ever. */
export async function until(what: () => boolean): Promise<void> {
  for (let looks = 0; !what(); looks++) {
    if (looks > 5000) throw new Error(`never so: ${String(what)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function heartbeat(from: PeerId, to: PeerId, round: number): Message {
  return { kind: 'heartbeat', from, to, term: 1, commit: 1, round };
}

/** A message of about so many bytes. */
export function append(from: PeerId, to: PeerId, index: number, bytes: number): Message {
  const data = new Uint8Array(bytes).fill(index & 0xff);
  const entries = [{ kind: 'data' as const, term: 1, index: index + 1, data }];
  return { kind: 'append', from, to, term: 1, prevIndex: index, prevTerm: 1, entries, commit: 0 };
}

export interface TestNode {
  readonly transport: TlsTransport;
  readonly address: NodeAddress;
  readonly got: Message[];
  readonly unreachable: { readonly peer: PeerId; readonly how: string }[];
  readonly lines: LogLine[];
}

/** A free port on the loopback address; nothing listens there any more when this resolves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function addressAt(nodeId: string, port: number): NodeAddress {
  const host = `127.0.0.1:${String(port)}`;
  return { nodeId, apiAddress: `http://${host}`, clusterAddress: `https://${host}` };
}

/** Nodes of one test; closes all of them. */
export class TestCluster {
  readonly tls: ClusterTls;
  readonly #nodes: TestNode[] = [];
  readonly #clean: (() => void)[] = [];

  constructor(tls: ClusterTls) {
    this.tls = tls;
  }

  static async create(): Promise<TestCluster> {
    return new TestCluster(await createClusterTls(systemClock, systemRandom));
  }

  async node(
    nodeId: string,
    options: { tls?: ClusterTls; clusterId?: string; port?: number; limits?: Partial<TransportLimits> } = {},
  ): Promise<TestNode> {
    const address = addressAt(nodeId, options.port ?? (await freePort()));
    const { log, lines } = recordingLog();
    const transport = new TlsTransport({
      self: address,
      listenAddress: new URL(address.clusterAddress).host,
      codec,
      clock: systemClock,
      random: systemRandom,
      log,
      limits: options.limits ?? {},
    });
    const node: TestNode = { transport, address, got: [], unreachable: [], lines };
    transport.onMessage((message) => node.got.push(message));
    transport.onUnreachable((peer, how) => node.unreachable.push({ peer, how }));
    this.#nodes.push(node);
    await transport.open({ nodeId, clusterId: options.clusterId ?? CLUSTER_ID, tls: options.tls ?? this.tls });
    return node;
  }

  /** Makes nodes know each other under the numbers 1, 2, … */
  introduce(...nodes: readonly TestNode[]): void {
    const peers = new Map(nodes.map(({ address }, index) => [index + 1, address]));
    for (const { transport } of nodes) transport.setPeers(peers);
  }

  onClose(clean: () => void): void {
    this.#clean.push(clean);
  }

  async close(): Promise<void> {
    for (const clean of this.#clean) clean();
    await Promise.all(this.#nodes.map(({ transport }) => transport.close()));
  }

  /** A bare TLS connection with a certificate of the cluster, to send whatever a test likes. */
  async rawClient(to: NodeAddress, asNode: string, protocol: Protocol): Promise<RawClient> {
    const leaf = await issueNodeCertificate(this.tls, asNode, systemClock, systemRandom);
    const socket = connectTls({
      host: '127.0.0.1',
      port: Number(new URL(to.clusterAddress).port),
      ca: this.tls.caCertificate,
      cert: leaf.certificate,
      key: leaf.key.reveal(),
      servername: nodeName(to.nodeId),
      ALPNProtocols: [protocol],
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    this.onClose(() => socket.destroy());
    return new RawClient(socket);
  }
}

/** Frames by hand. */
export class RawClient {
  readonly socket: TLSSocket;
  readonly frames: { readonly type: number; readonly payload: Uint8Array }[] = [];
  closed = false;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    const reader = new FrameReader(1 << 26, (type, payload) => {
      if (type !== FrameType.ping) this.frames.push({ type, payload });
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => (this.closed = true));
    socket.on('close', () => (this.closed = true));
  }

  frame(type: number, payload: Uint8Array): void {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(payload.length + 1);
    header[4] = type;
    this.socket.write(Buffer.concat([header, payload]));
  }

  async hello(nodeId: string, clusterId = CLUSTER_ID): Promise<void> {
    const limits = { requestsMax: 16, payloadBytesMax: 1 << 20 };
    const address = addressAt(nodeId, 1);
    this.frame(FrameType.hello, encodeHello({ ...address, ...limits, clusterId, nodeId }));
    await until(() => this.frames.length > 0 || this.closed);
  }
}

/** Passes bytes on to a port and keeps a copy; can stop passing them, or cut. */
export class Tap {
  readonly seen: Buffer[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(to: number) {
    this.#server = createServer((inner) => {
      const outer = connectTcp(to, '127.0.0.1');
      for (const [socket, other] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('data', (chunk) => {
          this.seen.push(chunk);
          other.write(chunk);
        });
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
    });
  }

  static async open(to: number): Promise<{ readonly tap: Tap; readonly port: number }> {
    const tap = new Tap(to);
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return { tap, port: (tap.#server.address() as AddressInfo).port };
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** Nothing is read any more, in either direction; the connections stay. */
  stall(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
