import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { Server as NetServer, Socket } from 'node:net';
import { MethodRewriter } from './method-rewriter.ts';
import { ProxyFront } from './proxy-front.ts';
import type { ProxyProtocolRules } from './proxy-front.ts';
import type { RequestHandler } from './request-handler.ts';

/** Where and how a listener listens. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain HTTP. */
  readonly tls?: ServerOptions;
  /** Reads the certificates again, for SIGHUP. */
  readonly reloadTls?: () => ServerOptions;
  readonly headerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Undefined: connections are taken as they come. */
  readonly proxyProtocol?: ProxyProtocolRules;
}

/** Answers what is not below `/v1/` (UI, documentation). */
export type Fallback = (message: IncomingMessage, response: ServerResponse) => void;

/** One address on which the API is served. */
export class Listener {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  /** What accepts: the server itself, or what reads PROXY headers before it. */
  readonly #acceptor: NetServer;
  readonly #sockets = new Set<Socket>();

  constructor(handler: RequestHandler, fallback: Fallback, options: ListenerOptions) {
    this.#options = options;
    const serve = inOrder((message, response) => {
      if (message.url?.startsWith('/v1/')) handler.handle(message, response);
      else fallback(message, response);
    });
    const limits = {
      headersTimeout: options.headerTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs,
      maxHeaderSize: 64 * 1024,
      requestTimeout: 0,
    };
    this.#server = options.tls
      ? createHttpsServer({ ...limits, handshakeTimeout: options.headerTimeoutMs, ...options.tls }, serve)
      : createHttpServer(limits, serve);
    const front = options.proxyProtocol
      ? new ProxyFront(this.#server, options.proxyProtocol, options.headerTimeoutMs)
      : undefined;
    this.#acceptor = front?.server ?? this.#server;
    // Every TCP connection, so that closing ends also those that have not finished a handshake or a PROXY header.
    this.#acceptor.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      MethodRewriter.attach(socket);
      socket.setNoDelay(true);
      if (options.tls) front?.adopt(socket);
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (socket.writable) socket.end(refusal(error.code));
    });
  }

  /** The port, once it listens (useful where it was 0). */
  get port(): number {
    const address = this.#acceptor.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** @throws NodeJS.ErrnoException `EADDRINUSE`, … */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#acceptor.once('error', reject);
      this.#acceptor.listen({ host: this.#options.host, port: this.#options.port, backlog: 1024 }, () => {
        this.#acceptor.off('error', reject);
        resolve();
      });
    });
  }

  /** New certificates for new connections. @throws what reading them throws; the old ones stay then */
  reloadTls(): void {
    const { reloadTls } = this.#options;
    if (reloadTls && this.#server instanceof HttpsServer) this.#server.setSecureContext(reloadTls());
  }

  /** Stops accepting, lets requests under way finish for a while, then ends what is left. */
  close(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, graceMs);
      this.#acceptor.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}

/**
 * Pipelined requests run one after the other (RFC 9112, 9.3.2): a read must see the write sent before it on the same
 * connection. Node itself hands them out as they arrive, and puts only the answers in order.
 */
function inOrder(serve: Fallback): Fallback {
  const latest = new WeakMap<Socket, ServerResponse>();
  return (message, response) => {
    const { socket } = message;
    const before = latest.get(socket);
    latest.set(socket, response);
    if (!before || before.writableEnded || before.destroyed) serve(message, response);
    else {
      before.once('close', () => {
        // the client is gone: what it had queued is not begun
        if (!socket.destroyed) serve(message, response);
      });
    }
  };
}

/** What a client gets whose bytes are no HTTP request. */
function refusal(code: string | undefined): string {
  const [status, text] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'request header fields too large']
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request took too long to arrive']
        : ['400 Bad Request', 'malformed HTTP request'];
  const body = `{"errors":[${JSON.stringify(text)}]}\n`;
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: ${String(body.length)}\r\nConnection: close\r\n\r\n${body}`;
}
