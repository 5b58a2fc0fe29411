import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { LONGEST_TIMER_MS } from '@coffer/kernel';
import { inCidrs } from '@coffer/sdk';
import { parseProxyHeader } from './proxy-header.ts';
import type { ProxiedSource } from './proxy-header.ts';

/** Whose PROXY headers count (`proxy_protocol_*` of a listener). A connection without a header keeps its own address. */
export interface ProxyProtocolRules {
  /** `use_always`: anybody's; `allow_authorized`: others' are dropped; `deny_unauthorized`: others are turned away. */
  readonly behavior: 'use_always' | 'allow_authorized' | 'deny_unauthorized';
  /** Addresses and CIDR blocks. */
  readonly authorizedAddrs: readonly string[];
}

/**
 * Accepts connections for an HTTP or HTTPS server and takes the PROXY header off them first. Sockets it hands on report
 * the header's address as `remoteAddress` and `remotePort`.
 */
export class ProxyFront {
  readonly server: Server;
  readonly #inner: Server;
  readonly #rules: ProxyProtocolRules;
  readonly #headerTimeoutMs: number;
  readonly #sources = new Map<string, ProxiedSource>();

  constructor(inner: Server, rules: ProxyProtocolRules, headerTimeoutMs: number) {
    this.#inner = inner;
    this.#rules = rules;
    this.#headerTimeoutMs = headerTimeoutMs;
    this.server = createServer((socket) => this.#accept(socket));
  }

  /** Gives a TLS socket the address that its TCP connection's header told. */
  adopt(secured: Socket): void {
    const source = this.#sources.get(keyOf(secured));
    if (source) override(secured, source);
  }

  #accept(socket: Socket): void {
    const { behavior, authorizedAddrs } = this.#rules;
    const authorized = behavior === 'use_always' || inCidrs(socket.remoteAddress ?? '', authorizedAddrs);
    if (!authorized && behavior === 'deny_unauthorized') {
      socket.destroy();
      return;
    }
    let held: Buffer = Buffer.alloc(0);
    const drop = (): void => {
      socket.destroy();
    };
    const timer = setTimeout(drop, Math.min(this.#headerTimeoutMs, LONGEST_TIMER_MS));
    const stop = (): void => clearTimeout(timer);
    const read = (chunk: Buffer): void => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const parsed = parseProxyHeader(held);
      if (parsed.kind === 'incomplete') return;
      stop();
      socket.off('data', read).off('end', drop).off('error', drop).off('close', stop);
      if (parsed.kind === 'malformed') {
        socket.on('error', drop).destroy();
        return;
      }
      const taken = parsed.kind === 'header' ? parsed.lengthBytes : 0;
      const source = parsed.kind === 'header' && authorized ? parsed.source : undefined;
      this.#handOn(socket, held.subarray(taken), source);
    };
    socket.on('data', read).once('end', drop).once('error', drop).once('close', stop);
  }

  #handOn(socket: Socket, rest: Buffer, source: ProxiedSource | undefined): void {
    if (source) {
      const key = keyOf(socket);
      this.#sources.set(key, source);
      socket.once('close', () => this.#sources.delete(key));
      override(socket, source);
    }
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    this.#inner.emit('connection', socket);
    // A TLS server has wrapped the socket and reads for itself.
    if (!(this.#inner instanceof TlsServer)) socket.resume();
  }
}

/** The TCP connection: a TLS socket answers with the same four as the socket it wraps. */
function keyOf(socket: Socket): string {
  return `${String(socket.remoteAddress)} ${String(socket.remotePort)} ${String(socket.localAddress)} ${String(socket.localPort)}`;
}

function override(socket: Socket, { address, port }: ProxiedSource): void {
  Object.defineProperty(socket, 'remoteAddress', { value: address, configurable: true });
  Object.defineProperty(socket, 'remotePort', { value: port, configurable: true });
}
