import { ProtocolError } from './protocol-error.ts';

/** The longest hello or refusal, in bytes: all that an end may send before it is known. */
export const HELLO_BYTES_MAX = 4096;
const VERSION = 1;
const TEXT_LENGTH_MAX = 512;

/** How both ends of a connection begin, as JSON `{v, cluster, node, peer, address, api, window, bytes}`. */
export interface Hello {
  readonly clusterId: string;
  readonly nodeId: string;
  /** The sender's raft number, if it has one. */
  readonly peer?: number;
  /** Where the sender's own cluster port is, e.g. `https://10.0.0.1:8201`. */
  readonly clusterAddress: string;
  readonly apiAddress: string;
  /** The most forwarded requests that the sender serves at a time on this connection. */
  readonly requestsMax: number;
  /** The longest payload of a frame that the sender accepts, in bytes. */
  readonly payloadBytesMax: number;
}

/** Why a connection is refused; sent instead of a hello. */
export const REFUSALS = ['version', 'cluster', 'node', 'removed', 'closing'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What an operator reads about a refusal. */
export const REFUSAL_TEXTS: Readonly<Record<Refusal, string>> = {
  version: 'it speaks another version of the cluster protocol',
  cluster: 'it belongs to another cluster',
  node: 'its certificate is of another node than it says',
  removed: 'it is not a member of the cluster',
  closing: 'the node is shutting down',
};

export function encodeHello(hello: Hello): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      v: VERSION,
      cluster: hello.clusterId,
      node: hello.nodeId,
      ...(hello.peer === undefined ? {} : { peer: hello.peer }),
      address: hello.clusterAddress,
      api: hello.apiAddress,
      window: hello.requestsMax,
      bytes: hello.payloadBytesMax,
    }),
  );
}

/** @returns undefined if the sender speaks another version. @throws ProtocolError if it is no hello */
export function decodeHello(payload: Uint8Array): Hello | undefined {
  const fields = parseObject(payload);
  if (fields.get('v') !== VERSION) return undefined;
  return {
    clusterId: text(fields, 'cluster'),
    nodeId: text(fields, 'node'),
    ...(fields.has('peer') ? { peer: count(fields, 'peer') } : {}),
    clusterAddress: text(fields, 'address'),
    apiAddress: text(fields, 'api'),
    requestsMax: count(fields, 'window'),
    payloadBytesMax: count(fields, 'bytes'),
  };
}

export function encodeRefusal(refusal: Refusal): Uint8Array {
  return Uint8Array.of(REFUSALS.indexOf(refusal));
}

/** @throws ProtocolError if it is no refusal */
export function decodeRefusal(payload: Uint8Array): Refusal {
  const refusal = payload.length === 1 ? REFUSALS[payload[0] as number] : undefined;
  if (refusal === undefined) throw new ProtocolError('a malformed refusal');
  return refusal;
}

function parseObject(payload: Uint8Array): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
  } catch (cause) {
    throw new ProtocolError('a malformed hello', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ProtocolError('a malformed hello');
  return new Map(Object.entries(value));
}

function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string' || value.length > TEXT_LENGTH_MAX) throw new ProtocolError('a malformed hello');
  return value;
}

function count(fields: ReadonlyMap<string, unknown>, name: string): number {
  const value = fields.get(name);
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw new ProtocolError('a malformed hello');
  return value as number;
}
