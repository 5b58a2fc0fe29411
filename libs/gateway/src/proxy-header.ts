import { SocketAddress, isIP } from 'node:net';

/*
 * The PROXY protocol's header, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt, sections 2.1 and 2.2): what a proxy
 * sends ahead of a connection's own bytes to tell whose connection it is.
 */

/** Where a connection comes from. */
export interface ProxiedSource {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  /** Could still become a header. */
  | { readonly kind: 'incomplete' }
  /** The bytes are the client's own. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed' }
  /** `source` is undefined where the proxy speaks for itself or names no address: then the peer's own counts. */
  | { readonly kind: 'header'; readonly lengthBytes: number; readonly source: ProxiedSource | undefined };

const V1_START = Buffer.from('PROXY ');
/** With CR LF (section 2.1). */
const V1_BYTES_MAX = 107;
const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_FIXED_BYTES = 16;
/** Addresses and extensions; the format would allow 65,535, which nobody sends. */
const V2_PAYLOAD_BYTES_MAX = 4096;

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };
const MALFORMED: ProxyHeader = { kind: 'malformed' };

/** Looks for a header at the start of what a connection has sent so far. Never throws. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (begins(bytes, V1_START)) return bytes.length < V1_START.length ? INCOMPLETE : parseV1(bytes);
  if (begins(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED_BYTES ? INCOMPLETE : parseV2(bytes);
  return { kind: 'absent' };
}

/** Whether the two agree as far as both go. */
function begins(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n');
  if (end === -1) return bytes.length >= V1_BYTES_MAX ? MALFORMED : INCOMPLETE;
  const lengthBytes = end + 2;
  const [, protocol, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  // The rest of such a line is to be ignored.
  if (protocol === 'UNKNOWN') return { kind: 'header', lengthBytes, source: undefined };
  const family = protocol === 'TCP4' ? 4 : protocol === 'TCP6' ? 6 : undefined;
  const port = portOf(sourcePort);
  if (
    family === undefined ||
    rest.length > 0 ||
    isIP(source) !== family ||
    isIP(destination) !== family ||
    port === undefined ||
    portOf(destinationPort) === undefined
  )
    return MALFORMED;
  return { kind: 'header', lengthBytes, source: { address: source, port } };
}

function portOf(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

function parseV2(bytes: Buffer): ProxyHeader {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const payloadBytes = bytes.readUInt16BE(14);
  if ((command !== 0x20 && command !== 0x21) || payloadBytes > V2_PAYLOAD_BYTES_MAX) return MALFORMED;
  const lengthBytes = V2_FIXED_BYTES + payloadBytes;
  if (bytes.length < lengthBytes) return INCOMPLETE;
  // LOCAL: the proxy's own connection, such as a health check.
  if (command === 0x20) return { kind: 'header', lengthBytes, source: undefined };
  const payload = bytes.subarray(V2_FIXED_BYTES, lengthBytes);
  switch (family) {
    case 0x11:
      if (payloadBytes < 12) return MALFORMED;
      return {
        kind: 'header',
        lengthBytes,
        source: { address: payload.subarray(0, 4).join('.'), port: payload.readUInt16BE(8) },
      };
    case 0x21:
      if (payloadBytes < 36) return MALFORMED;
      return { kind: 'header', lengthBytes, source: { address: ipv6Of(payload), port: payload.readUInt16BE(32) } };
    case 0x00: // unspecified
    case 0x31: // a local socket, which has no address
      return { kind: 'header', lengthBytes, source: undefined };
    default:
      return MALFORMED;
  }
}

function ipv6Of(payload: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => payload.readUInt16BE(index * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
