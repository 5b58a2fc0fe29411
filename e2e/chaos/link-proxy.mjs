/**
 * The network between the nodes: a TCP proxy in front of each node's cluster port, which each node advertises in place of
 * its own. Each direction between two nodes can be made to pass, to pass late, to vanish (a black hole: bytes are kept
 * as TCP keeps what is not acknowledged, and arrive if the link heals while the connection lives) or to be refused.
 *
 * Who dials is found by the port that it dials from, in /proc: the nodes all share the loopback address.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const PASS = Object.freeze({ mode: 'pass' });

/** One way through a proxied connection. */
class Lane {
  #chunks = Promise.resolve();
  #closing = false;

  constructor(from, to, link, pair) {
    this.from = from;
    this.to = to;
    this.link = link;
    from.on('data', (chunk) => this.#deliver(chunk));
    from.on('end', () => this.#finish());
    from.on('error', () => {});
    from.on('close', () => {
      this.#closing = true;
      if (this.link().mode !== 'drop') pair.destroy();
    });
    this.pair = pair;
    this.follow();
  }

  /** The link changed. */
  follow() {
    const { mode } = this.link();
    if (mode === 'refuse') this.pair.destroy();
    else if (mode === 'drop') this.from.pause();
    else if (this.#closing) this.pair.destroy();
    else this.from.resume();
  }

  #deliver(chunk) {
    const { mode, delayMs = 0 } = this.link();
    if (mode === 'delay') {
      const due = performance.now() + delayMs;
      this.#chunks = this.#chunks.then(async () => {
        const left = due - performance.now();
        if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
        if (!this.to.destroyed) this.to.write(chunk);
      });
    } else {
      // what was delayed before goes first
      this.#chunks = this.#chunks.then(() => void (this.to.destroyed || this.to.write(chunk)));
    }
    if (this.to.writableLength > 1_048_576) {
      this.from.pause();
      this.to.once('drain', () => this.follow());
    }
  }

  #finish() {
    this.#chunks = this.#chunks.then(() => void (this.to.destroyed || this.to.end()));
  }
}

/** All links between the nodes of one cluster; nodes are named by their ids. */
export class Network {
  #links = new Map();
  #nodes = new Map();
  #lanes = new Set();
  #servers = [];

  /**
   * Listens in front of a node.
   *
   * @param {string} id
   * @param {number} port where peers connect
   * @param {number} target the node's own cluster port
   * @param {() => number | undefined} pid the node's process, while it runs
   */
  async front(id, port, target, pid) {
    this.#nodes.set(id, { pid });
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(id, target, port, socket),
    );
    this.#servers.push(server);
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }

  /** Sets one direction. @param {{mode: 'pass' | 'delay' | 'drop' | 'refuse', delayMs?: number}} link */
  set(from, to, link) {
    this.#links.set(`${from}>${to}`, link);
    for (const lane of this.#lanes) lane.follow();
  }

  heal() {
    this.#links.clear();
    for (const lane of this.#lanes) lane.follow();
  }

  /** Ends all connections between the nodes, as a switch that restarts. */
  reset() {
    for (const lane of this.#lanes) lane.pair.destroy();
  }

  close() {
    this.reset();
    for (const server of this.#servers) server.close();
  }

  #link(from, to) {
    return this.#links.get(`${from}>${to}`) ?? PASS;
  }

  #accept(id, target, port, inner) {
    inner.on('error', () => {});
    const dialer = this.#dialer(inner.remotePort, port);
    const refused =
      dialer === undefined || [this.#link(dialer, id), this.#link(id, dialer)].some(({ mode }) => mode === 'refuse');
    if (refused) return void inner.resetAndDestroy();
    const outer = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    const lanes = [];
    const pair = {
      destroy: () => {
        inner.destroy();
        outer.destroy();
        for (const lane of lanes) this.#lanes.delete(lane);
      },
    };
    outer.once('error', () => inner.resetAndDestroy());
    lanes.push(new Lane(inner, outer, () => this.#link(dialer, id), pair));
    lanes.push(new Lane(outer, inner, () => this.#link(id, dialer), pair));
    for (const lane of lanes) this.#lanes.add(lane);
  }

  /** The node whose process holds the other end of a connection. */
  #dialer(fromPort, toPort) {
    const hex = (port) => port.toString(16).toUpperCase().padStart(4, '0');
    const line = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((text) => text.trim().split(/\s+/))
      .find((fields) => fields[1]?.endsWith(`:${hex(fromPort)}`) && fields[2]?.endsWith(`:${hex(toPort)}`));
    if (!line) return undefined;
    const wanted = `socket:[${line[9]}]`;
    for (const [id, { pid }] of this.#nodes) {
      const process = pid();
      if (process !== undefined && holds(process, wanted)) return id;
    }
    return undefined;
  }
}

function holds(pid, wanted) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === wanted;
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // the process ended meanwhile
  }
}
