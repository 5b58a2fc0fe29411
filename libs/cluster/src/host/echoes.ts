import type { Clock, Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { ForwardChannel } from '../cluster.ts';
import type { MemberTraits } from '../disk/members.ts';

/** What a standby tells the active node about itself, besides its traits. */
export interface EchoFacts {
  readonly hostname: string;
  /** Fingerprints of the authorities whose certificates it accepts on the cluster port. */
  readonly trusts: readonly string[];
  /** The fingerprint of the authority that signed its own certificate. */
  readonly signedBy: string;
}

export interface Echo extends EchoFacts, MemberTraits {
  readonly appliedIndex: number;
  /** When it came, in milliseconds since 1970. */
  readonly atMs: number;
}

const ECHO = 'cluster/echo';
const ECHO_EVERY_MS = 1000;
const ECHO_MS_MAX = 5000;
const TEXT_LENGTH_MAX = 256;
const TRUSTS_MAX = 16;

export interface EchoHost {
  active(): boolean;
  appliedIndex(): number;
  leaderAddress(): NodeAddress | undefined;
  isMember(nodeId: string): boolean;
}

/** Standbys tell the active node once a second how they are; it remembers the last word of each. */
export class Echoes {
  readonly #host: EchoHost;
  readonly #forward: ForwardChannel;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #received = new Map<string, Echo>();
  #traits: MemberTraits | undefined;
  #facts: (() => EchoFacts) | undefined;
  #sentAtMs = -Infinity;
  #sending = false;

  constructor(host: EchoHost, forward: ForwardChannel, clock: Clock, log: Log) {
    this.#host = host;
    this.#forward = forward;
    this.#clock = clock;
    this.#log = log;
    forward.serve(ECHO, (payload, from) => {
      const echo = readEcho(payload, clock.nowMs());
      if (echo !== undefined && host.active() && host.isMember(from)) this.#received.set(from, echo);
      return Promise.resolve(new Uint8Array(0));
    });
  }

  tell(facts: () => EchoFacts): void {
    this.#facts = facts;
  }

  introduce(traits: MemberTraits): void {
    this.#traits = traits;
  }

  /** Of this node, once they are known. */
  get traits(): MemberTraits | undefined {
    return this.#traits;
  }

  /** What is known of each standby; what an earlier term of this node as the active one knew is not. */
  received(): ReadonlyMap<string, Echo> {
    for (const nodeId of this.#received.keys()) if (!this.#host.isMember(nodeId)) this.#received.delete(nodeId);
    return this.#received;
  }

  /** Called with each tick. */
  tend(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#host.active()) return;
    this.#received.clear();
    const leader = this.#host.leaderAddress();
    if (leader === undefined || this.#traits === undefined || this.#facts === undefined || this.#sending) return;
    if (nowMs - this.#sentAtMs < ECHO_EVERY_MS) return;
    this.#sentAtMs = nowMs;
    this.#sending = true;
    const controller = new AbortController();
    const cancel = this.#clock.after(ECHO_MS_MAX, () => controller.abort(new Error('no answer in time')));
    const told = { ...this.#traits, ...this.#facts(), appliedIndex: this.#host.appliedIndex() };
    const payload = Buffer.from(JSON.stringify(told));
    this.#forward
      .call(leader, ECHO, payload, controller.signal)
      .catch((error: unknown) => this.#log.debug('the active node did not hear of this one', { error }))
      .finally(() => {
        cancel();
        this.#sending = false;
      });
  }
}

/** Undefined for what is no echo, say of a later version: then the node counts as one that tells nothing. */
function readEcho(payload: Uint8Array, atMs: number): Echo | undefined {
  let raw: Partial<Echo> | null;
  try {
    raw = JSON.parse(Buffer.from(payload).toString('utf8')) as Partial<Echo> | null;
  } catch {
    return undefined;
  }
  const { version, hostname, signedBy, trusts, appliedIndex, upgradeVersion, zone } = raw ?? {};
  if (!isShort(version) || !isShort(hostname) || !isShort(signedBy) || !Number.isSafeInteger(appliedIndex)) {
    return undefined;
  }
  if (!Array.isArray(trusts) || trusts.length > TRUSTS_MAX || !trusts.every(isShort)) return undefined;
  return {
    version,
    hostname,
    signedBy,
    trusts,
    appliedIndex: appliedIndex as number,
    atMs,
    ...(isShort(upgradeVersion) ? { upgradeVersion } : {}),
    ...(isShort(zone) ? { zone } : {}),
  };
}

function isShort(text: unknown): text is string {
  return typeof text === 'string' && text.length <= TEXT_LENGTH_MAX;
}
