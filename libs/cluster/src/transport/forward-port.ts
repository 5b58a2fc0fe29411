import { assert } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import { ForwardError } from '../cluster.ts';
import type { ClusterTls, ForwardChannel } from '../cluster.ts';
import type { DialMeans } from './dial.ts';
import { ForwardLink } from './forward-link.ts';
import { serveForward } from './forward-server.ts';
import type { ForwardHandler } from './forward-server.ts';
import { ClusterListener } from './listener.ts';
import { LogGate } from './log-gate.ts';
import { TlsIdentity } from './tls-identity.ts';
import { DEFAULT_LIMITS } from './transport-options.ts';
import type { TransportOptions } from './transport-options.ts';

interface Open {
  readonly identity: TlsIdentity;
  readonly means: DialMeans;
  readonly listener: ClusterListener;
  /** By node id, the latest last. */
  readonly links: Map<string, ForwardLink>;
}

/** Former active nodes that calls may still be on the way to. */
const LINKS_MAX = 4;

/**
 * The cluster port of nodes that share a database instead of a log: forwarded requests and nothing else. There is no
 * list of members: who has a certificate of the cluster's authority has read its key behind the barrier.
 */
export class ForwardPort {
  readonly forward: ForwardChannel;
  readonly #options: Omit<TransportOptions, 'codec' | 'limits'>;
  readonly #log: Log;
  readonly #handlers = new Map<string, ForwardHandler>();
  #open: Open | undefined;

  constructor(options: Omit<TransportOptions, 'codec' | 'limits'>) {
    this.#options = options;
    this.#log = options.log;
    this.forward = {
      serve: (kind, handler) => {
        assert(!this.#handlers.has(kind), 'a kind of forwarded request is served once');
        this.#handlers.set(kind, handler);
      },
      call: (to, kind, payload, signal) => this.#call(to, kind, payload, signal),
    };
  }

  /** @throws RangeError for a node id or address that cannot be, or the system's error (`EADDRINUSE`, …) */
  async open(clusterId: string, tls: ClusterTls): Promise<void> {
    assert(this.#open === undefined, 'a port is opened once at a time');
    const { clock, self, listenAddress } = this.#options;
    const identity = await TlsIdentity.create({ nodeId: self.nodeId, clusterId, tls }, this.#options);
    const means: DialMeans = { identity, self, peer: () => undefined, clock, limits: DEFAULT_LIMITS };
    const gate = new LogGate(clock);
    const listener = new ClusterListener(
      means,
      {
        refuses: (_node, protocol) => {
          if (this.#open === undefined) return 'closing';
          return protocol === 'coffer-forward/1' ? undefined : 'removed';
        },
        // Who has a certificate has read the key behind the barrier.
        isMember: () => true,
        onCaller: (connection, { node, hello }) =>
          serveForward(
            connection,
            { nodeId: node.nodeId, payloadBytesMax: hello.payloadBytesMax },
            { handlers: this.#handlers, ...DEFAULT_LIMITS, log: this.#log, gate },
            DEFAULT_LIMITS.requestBytesMax,
          ),
      },
      this.#log,
    );
    await listener.listen(listenAddress);
    identity.start(() => listener.renew());
    this.#open = { identity, means, listener, links: new Map() };
  }

  /** Other authorities, and a new certificate of the first, while open; connections go on. */
  async renew(tls: ClusterTls): Promise<void> {
    await this.#open?.identity.renew(tls);
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.identity.stop();
    for (const link of open.links.values()) link.close();
    await open.listener.close();
  }

  #call(to: NodeAddress, kind: string, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const open = this.#open;
    if (open === undefined) return Promise.reject(new ForwardError('unreachable', 'the cluster port is closed'));
    let link = open.links.get(to.nodeId);
    if (link?.target.clusterAddress !== to.clusterAddress) {
      link?.close();
      link = new ForwardLink(to, open.means);
      open.links.set(to.nodeId, link);
      const [oldest] = open.links.keys();
      if (open.links.size > LINKS_MAX && oldest !== undefined) {
        open.links.get(oldest)?.close();
        open.links.delete(oldest);
      }
    }
    return link.call(kind, payload, signal);
  }
}
