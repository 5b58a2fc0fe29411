import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import type { Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import { Callers } from './callers.ts';
import { Connection } from './connection.ts';
import { ownHello } from './dial.ts';
import type { DialMeans } from './dial.ts';
import { Doorstep } from './doorstep.ts';
import { listenEndpoint } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { FrameType, PROTOCOLS } from './frame.ts';
import type { Protocol } from './frame.ts';
import { decodeHello, encodeHello, encodeRefusal, HELLO_BYTES_MAX, REFUSAL_TEXTS } from './hello.ts';
import type { Hello, Refusal } from './hello.ts';
import { LogGate } from './log-gate.ts';
import { nodeIdOf } from './node-name.ts';
import { ProtocolError } from './protocol-error.ts';

/** An end that introduced itself and was let in. */
export interface Caller {
  readonly node: NodeAddress;
  readonly hello: Hello;
  readonly protocol: Protocol;
}

export interface ListenerPolicy {
  /** Whether a node of this cluster may use the protocol now. */
  refuses(hello: Hello, protocol: Protocol): Refusal | undefined;
  /** Whether a node is known to belong to the cluster; few others have connections at a time. */
  isMember(nodeId: string): boolean;
  /** The handler must be handed over before this returns. */
  onCaller(connection: Connection, caller: Caller): void;
}

/** The cluster port: TLS 1.3 with certificates of the cluster's authority at both ends. */
export class ClusterListener {
  readonly #server: Server;
  readonly #means: DialMeans;
  readonly #policy: ListenerPolicy;
  readonly #log: Log;
  readonly #gate: LogGate;
  readonly #connections = new Set<Connection>();
  /** Before TLS is done there is no `Connection`; these must be closed, too. */
  readonly #raw = new Set<{ destroy(): void }>();
  readonly #doorstep: Doorstep;
  readonly #callers = new Callers();

  constructor(means: DialMeans, policy: ListenerPolicy, log: Log) {
    this.#means = means;
    this.#policy = policy;
    this.#log = log;
    this.#gate = new LogGate(means.clock);
    this.#doorstep = new Doorstep(means.limits.unknownMax);
    this.#server = createServer({
      ...means.identity.secureOptions(),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: [...PROTOCOLS],
      handshakeTimeout: means.limits.connectTimeoutMs,
      noDelay: true,
    });
    this.#server.maxConnections = means.limits.connectionsMax;
    this.#server.on('connection', (socket) => {
      const { remoteAddress = '', remotePort = 0 } = socket;
      this.#raw.add(socket);
      socket.on('close', () => {
        this.#raw.delete(socket);
        this.#doorstep.leave(remoteAddress, remotePort);
      });
      this.#doorstep.arrive(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => this.#onTlsError(error, socket));
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket));
  }

  /** @throws the system's error (`EADDRINUSE`, …), or RangeError for a malformed address */
  async listen(listenAddress: string): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen(listenEndpoint(listenAddress));
    await listening;
    this.#server.on('error', (error) => this.#log.error('the cluster port failed', { error }));
  }

  endpoint(): Endpoint {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  renew(): void {
    this.#server.setSecureContext(this.#means.identity.secureOptions());
  }

  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#raw) socket.destroy();
    await closed;
  }

  /** Ends the connections from a node, which has lost its right to them. */
  drop(nodeId: string): void {
    for (const connection of this.#connections) {
      if (this.#nodes.get(connection) === nodeId) connection.destroy();
    }
  }

  readonly #nodes = new WeakMap<Connection, string>();

  #onTlsError(error: Error, socket: TLSSocket): void {
    const remote = socket.remoteAddress ?? 'unknown';
    const code = 'code' in error ? String(error.code) : error.name;
    socket.destroy();
    if (!this.#gate.opens(remote)) return;
    this.#log.warn(
      'refused a connection to the cluster port: no certificate of this cluster’s authority (another cluster’s node?)',
      { remote, code },
    );
  }

  #onSecure(socket: TLSSocket): void {
    const protocol = PROTOCOLS.find((name) => name === socket.alpnProtocol);
    const certificate = socket.getPeerX509Certificate();
    const nodeId = certificate === undefined ? undefined : nodeIdOf(certificate);
    const remote = socket.remoteAddress ?? 'unknown';
    const { remotePort = 0 } = socket;
    const connection = new Connection(socket, this.#means.clock, this.#means.limits, {
      onFrame: (type, payload) => {
        cancelTimeout();
        if (type !== FrameType.hello || protocol === undefined) throw new ProtocolError('a frame before the hello');
        this.#doorstep.leave(remote, remotePort);
        this.#onHello(connection, protocol, nodeId, decodeHello(payload));
      },
      onClose: (reason) => {
        cancelTimeout();
        if (reason !== undefined && this.#gate.opens(remote)) {
          this.#log.warn('a connection to the cluster port ended before the hello', { remote, reason: reason.message });
        }
      },
    });
    const cancelTimeout = this.#means.clock.after(this.#means.limits.connectTimeoutMs, () => {
      connection.destroy(new ProtocolError('no hello in time'));
    });
    this.#connections.add(connection);
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.#callers.leave(connection);
    });
    if (socket.authorized && protocol !== undefined && nodeId !== undefined) return;
    connection.destroy(new ProtocolError('a certificate without a node’s name, or no protocol'));
  }

  #onHello(connection: Connection, protocol: Protocol, nodeId: string | undefined, hello: Hello | undefined): void {
    const refusal = this.#judge(protocol, nodeId, hello);
    if (refusal === undefined && hello !== undefined) {
      const { clusterAddress, apiAddress } = hello;
      this.#nodes.set(connection, hello.nodeId);
      this.#callers.enter(connection, {
        nodeId: hello.nodeId,
        protocol,
        member: this.#policy.isMember(hello.nodeId),
      });
      connection.send(FrameType.hello, encodeHello(ownHello(this.#means)));
      this.#policy.onCaller(connection, {
        node: { nodeId: hello.nodeId, clusterAddress, apiAddress },
        hello,
        protocol,
      });
      return;
    }
    const remote = connection.remoteAddress;
    if (this.#gate.opens(`${remote} ${nodeId ?? ''}`)) {
      const text = REFUSAL_TEXTS[refusal ?? 'version'];
      this.#log.warn(`refused a node at the cluster port: ${text}`, { remote, nodeId, clusterId: hello?.clusterId });
    }
    connection.send(FrameType.refusal, encodeRefusal(refusal ?? 'version'));
    connection.handOver({ onFrame: () => undefined, onClose: () => undefined }, HELLO_BYTES_MAX);
    connection.end();
  }

  #judge(protocol: Protocol, nodeId: string | undefined, hello: Hello | undefined): Refusal | undefined {
    if (hello === undefined) return 'version';
    if (hello.clusterId !== this.#means.identity.clusterId) return 'cluster';
    if (hello.nodeId !== nodeId) return 'node';
    return this.#policy.refuses(hello, protocol);
  }
}
