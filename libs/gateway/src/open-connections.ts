import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Answers one message. */
export type Serve = (message: IncomingMessage, response: ServerResponse) => void;

/**
 * The HTTP connections of a listener and the latest answer on each: keeps pipelined requests in order, and, when the
 * listener is about to close, tells each client with its next answer to go elsewhere.
 */
export class OpenConnections {
  /** Undefined: nothing was asked on it yet. */
  readonly #latest = new Map<Socket, ServerResponse | undefined>();
  #leaving = false;
  #whenEmpty: (() => void) | undefined;

  get count(): number {
    return this.#latest.size;
  }

  add(socket: Socket): void {
    this.#latest.set(socket, undefined);
    socket.once('close', () => {
      this.#latest.delete(socket);
      if (this.#latest.size === 0) this.#whenEmpty?.();
    });
  }

  /**
   * Pipelined requests run one after the other (RFC 9112, 9.3.2): a read must see the write sent before it on the same
   * connection. Node itself hands them out as they arrive, and puts only the answers in order.
   */
  inOrder(serve: Serve): Serve {
    return (message, response) => {
      const { socket } = message;
      const before = this.#latest.get(socket);
      this.#latest.set(socket, response);
      if (this.#leaving) response.setHeader('connection', 'close');
      if (!before || before.writableEnded || before.destroyed) serve(message, response);
      else {
        before.once('close', () => {
          // the client is gone: what it had queued is not begun
          if (!socket.destroyed) serve(message, response);
        });
      }
    };
  }

  /**
   * From now on each answer is the last on its connection (`connection: close`). A connection that rests stays open for
   * a while, since a request may be on its way on it: to close it would lose that.
   *
   * @param waitMs milliseconds
   * @returns when all connections are gone, or the time is over
   */
  sendAway(waitMs: number): Promise<void> {
    this.#leaving = true;
    for (const response of this.#latest.values()) {
      if (response && !response.headersSent) response.setHeader('connection', 'close');
    }
    if (this.#latest.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#whenEmpty?.(), waitMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        this.#whenEmpty = undefined;
        resolve();
      };
    });
  }
}
