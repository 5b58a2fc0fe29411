/** Bytes on a socket, as they are: no client library that would repair them. */
import { connect } from 'node:net';

/** Opens a connection. `send` writes bytes; `until` waits for the text received so far to fit. */
export class RawConnection {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = [];
  closed = false;

  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on('data', (data) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    // a reset by the server is an end like another
    this.#socket.on('error', () => this.#wake());
    this.#socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  get text() {
    return this.#received.toString('latin1');
  }

  /** The answers so far: status, headers and body of each that is complete. */
  get answers() {
    const found = [];
    let rest = this.text;
    for (;;) {
      const head = rest.match(/^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n([\s\S]*?)\r\n\r\n/);
      if (!head) return found;
      const length = Number(head[2].match(/^content-length: (\d+)/im)?.[1] ?? 0);
      const body = rest.slice(head[0].length, head[0].length + length);
      if (body.length < length) return found;
      rest = rest.slice(head[0].length + length);
      if (head[1] !== '100') found.push({ status: Number(head[1]), head: head[2], body });
    }
  }

  send(bytes) {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
    return this;
  }

  /** Waits for so many answers, or the end of the connection. */
  async answered(count = 1, withinMs = 10_000) {
    await this.#until(() => this.answers.length >= count || this.closed, withinMs);
    return this.answers;
  }

  async ended(withinMs = 10_000) {
    await this.#until(() => this.closed, withinMs);
  }

  close() {
    this.#socket.destroy();
  }

  #wake() {
    for (const check of this.#waiting) check();
  }

  #until(condition, withinMs) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== check);
        reject(new Error(`not within ${withinMs} ms; received: ${this.text.slice(0, 500)}`));
      }, withinMs);
      this.#waiting.push(check);
      check();
    });
  }
}

/** One request, as text. */
export function requestText(method, path, { token = 'root', body, headers = {} } = {}) {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...(token ? [`X-Vault-Token: ${token}`] : []),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(bytes ? [`Content-Length: ${bytes.length}`] : []),
    '',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes ?? Buffer.alloc(0)]);
}

/** Sends one request on a connection of its own. @returns the first answer, undefined where the server just closed */
export async function rawRequest(url, method, path, options) {
  const connection = new RawConnection(url);
  connection.send(requestText(method, path, options));
  const [answer] = await connection.answered();
  connection.close();
  return answer;
}
