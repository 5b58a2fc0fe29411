import { connect } from 'node:tls';
import type { NodeAddress } from '@coffer/storage';
import type { Clock } from '@coffer/kernel';
import type { PeerId } from 'raft-ts';
import { Connection } from './connection.ts';
import { endpointOf } from './endpoint.ts';
import { FrameType } from './frame.ts';
import type { Protocol } from './frame.ts';
import { decodeHello, decodeRefusal, encodeHello, REFUSAL_TEXTS } from './hello.ts';
import type { Hello, Refusal } from './hello.ts';
import { nodeIdOf, nodeName } from './node-name.ts';
import { ProtocolError } from './protocol-error.ts';
import type { TlsIdentity } from './tls-identity.ts';
import type { TransportLimits } from './transport-options.ts';

/**
 * Why a peer could not be reached: `refused` (nobody listens there), `reset` (it broke off before it was known),
 * `timeout`, `identity` (it is not who it should be, or refuses us), `network` (anything else).
 */
export type DialFailure = 'refused' | 'reset' | 'timeout' | 'identity' | 'network';

export class DialError extends Error {
  override readonly name = 'DialError';
  readonly failure: DialFailure;
  /** What the other end said, where it refused. */
  readonly refusal: Refusal | undefined;

  constructor(failure: DialFailure, message: string, options?: ErrorOptions & { readonly refusal?: Refusal }) {
    super(message, options);
    this.failure = failure;
    this.refusal = options?.refusal;
  }
}

export interface DialMeans {
  readonly identity: TlsIdentity;
  readonly self: NodeAddress;
  /** This node's raft number, where it has one. */
  readonly peer: () => PeerId | undefined;
  readonly clock: Clock;
  readonly limits: TransportLimits;
}

export interface DialOutcome {
  /** Both ends know each other; the handler must be handed over before this returns. */
  onReady(connection: Connection, hello: Hello): void;
  onFailed(error: DialError): void;
}

/** Connects to a node and makes sure that it is that node. Returns what gives up; then neither is called. */
export function dial(target: NodeAddress, protocol: Protocol, means: DialMeans, outcome: DialOutcome): () => void {
  let settled = false;
  const settle = (): boolean => {
    if (settled) return false;
    settled = true;
    cancelTimeout();
    return true;
  };
  const fail = (error: DialError): void => {
    if (!settle()) return;
    connection?.destroy();
    outcome.onFailed(error);
  };
  let connection: Connection | undefined;
  const cancelTimeout = means.clock.after(means.limits.connectTimeoutMs, () => {
    fail(new DialError('timeout', 'no answer in time'));
  });
  try {
    connection = open(target, protocol, means, {
      onHello: (opened, hello) => {
        if (settle()) outcome.onReady(opened, hello);
      },
      onFailed: fail,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // Never from within the call: the caller has not got what cancels it yet.
    queueMicrotask(() => fail(new DialError('network', error.message, { cause: error })));
  }
  return () => {
    if (settle()) connection?.destroy();
  };
}

interface OpenOutcome {
  onHello(connection: Connection, hello: Hello): void;
  onFailed(error: DialError): void;
}

function open(target: NodeAddress, protocol: Protocol, means: DialMeans, outcome: OpenOutcome): Connection {
  const servername = nodeName(target.nodeId);
  const socket = connect({
    ...endpointOf(target.clusterAddress),
    ...means.identity.secureOptions(),
    servername,
    ALPNProtocols: [protocol],
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => {
      const nodeId = nodeIdOf({ subjectAltName: certificate.subjectaltname });
      return nodeId === target.nodeId ? undefined : new DialError('identity', 'its certificate is of another node');
    },
  });
  const connection = new Connection(socket, means.clock, means.limits, {
    onFrame(type, payload) {
      if (type === FrameType.refusal) {
        const refusal = decodeRefusal(payload);
        outcome.onFailed(new DialError('identity', `it refuses this node: ${REFUSAL_TEXTS[refusal]}`, { refusal }));
        return;
      }
      if (type !== FrameType.hello) throw new ProtocolError('a frame before the hello');
      const hello = decodeHello(payload);
      if (hello === undefined) {
        outcome.onFailed(new DialError('identity', REFUSAL_TEXTS.version));
      } else if (hello.clusterId !== means.identity.clusterId) {
        outcome.onFailed(new DialError('identity', REFUSAL_TEXTS.cluster));
      } else if (hello.nodeId !== target.nodeId) {
        outcome.onFailed(new DialError('identity', REFUSAL_TEXTS.node));
      } else {
        outcome.onHello(connection, hello);
      }
    },
    onClose(reason) {
      outcome.onFailed(dialError(reason));
    },
  });
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol !== protocol) {
      connection.destroy(new ProtocolError('no common protocol'));
      return;
    }
    connection.send(FrameType.hello, encodeHello(ownHello(means)));
  });
  return connection;
}

/** How this node introduces itself. */
export function ownHello({ identity, self, limits, peer }: Omit<DialMeans, 'clock'>): Hello {
  const number = peer();
  return {
    ...(number === undefined ? {} : { peer: number }),
    clusterId: identity.clusterId,
    nodeId: identity.nodeId,
    clusterAddress: self.clusterAddress,
    apiAddress: self.apiAddress,
    requestsMax: limits.requestsMax,
    payloadBytesMax: limits.requestBytesMax,
  };
}

function dialError(reason: Error | undefined): DialError {
  if (reason instanceof DialError) return reason;
  if (reason === undefined) return new DialError('reset', 'it broke off');
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : '';
  const options = { cause: reason };
  if (code === 'ECONNREFUSED') return new DialError('refused', 'nobody listens there', options);
  if (code === 'ECONNRESET' || code === 'EPIPE') return new DialError('reset', 'it broke off', options);
  if (reason instanceof ProtocolError) return new DialError('identity', reason.message, options);
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|INVALID_)/.test(code)) {
    return new DialError('identity', `TLS: ${code}`, options);
  }
  return new DialError('network', code === '' ? 'cannot connect' : code, options);
}
