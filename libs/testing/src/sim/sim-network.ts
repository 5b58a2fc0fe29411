import type { Message, PeerId } from 'raft-ts';
import type { EventQueue } from './event-queue.ts';
import type { NetworkPlan } from './fault-plan.ts';
import type { Command, MachineState } from './register-machine.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What travels: words of the cores, a snapshot with its contents, or a client's write on its way to the leader. */
export type Packet =
  | { readonly kind: 'core'; readonly message: Message; readonly contents?: MachineState }
  | { readonly kind: 'forward'; readonly command: Command };

/** Told once what came of a packet; never if the network keeps it to itself. */
export type Fate = (outcome: 'delivered' | 'lost') => void;

/** Loses, delays, repeats, reorders, and is cut apart, in one direction or both. */
export class SimNetwork {
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #deliver: (to: PeerId, packet: Packet) => boolean;
  readonly #blocked = new Set<number>();
  /** How much longer packets to a node take. */
  readonly #lag = new Map<PeerId, number>();
  #plan: NetworkPlan;
  #sent = 0;
  /** What was sent before `#forgetBefore` is not delivered after `#forgetAfter`. */
  #forgetBefore = 0;
  #forgetAfter = Infinity;

  /** @param deliver hands a packet to a node; false if it is down. */
  constructor(
    queue: EventQueue,
    random: SeededRandom,
    plan: NetworkPlan,
    deliver: (to: PeerId, packet: Packet) => boolean,
  ) {
    this.#queue = queue;
    this.#random = random;
    this.#plan = plan;
    this.#deliver = deliver;
  }

  use(plan: NetworkPlan): void {
    this.#plan = plan;
  }

  /** What is on its way now and takes longer than `delay` gets lost. */
  forget(delay: number): void {
    this.#forgetBefore = this.#queue.now();
    this.#forgetAfter = this.#queue.now() + delay;
  }

  /** How many packets were sent so far. */
  sent(): number {
    return this.#sent;
  }

  /** Cuts the way from one node to another; the way back is another. */
  block(from: PeerId, to: PeerId): void {
    this.#blocked.add(link(from, to));
  }

  /** From now on packets to a node take so much longer. */
  lag(to: PeerId, delay: number): void {
    this.#lag.set(to, delay);
  }

  heal(): void {
    this.#blocked.clear();
    this.#lag.clear();
  }

  send(from: PeerId, to: PeerId, packet: Packet, fate?: Fate): void {
    const plan = this.#plan;
    this.#sent += 1;
    if (this.#random.chance(plan.lossPerMille)) this.#queue.after(this.#delay(), () => fate?.('lost'));
    else this.#carry(from, to, packet, fate);
    // A forwarded write travels on a connection that knows its requests; only datagrams, as it were, are repeated.
    if (packet.kind !== 'core') return;
    if (this.#random.chance(plan.duplicatePerMille)) this.#carry(from, to, packet);
    if (this.#random.chance(plan.latePerMille)) {
      this.#carry(from, to, packet, undefined, this.#random.between(1, plan.lateMax));
    }
  }

  #carry(from: PeerId, to: PeerId, packet: Packet, fate?: Fate, delay = this.#delay()): void {
    const sentAt = this.#queue.now();
    this.#queue.after(delay + (this.#lag.get(to) ?? 0), () => {
      const forgotten = sentAt <= this.#forgetBefore && this.#queue.now() > this.#forgetAfter;
      const arrived = !forgotten && !this.#blocked.has(link(from, to)) && this.#deliver(to, packet);
      fate?.(arrived ? 'delivered' : 'lost');
    });
  }

  #delay(): number {
    const { delayMin, delayMax, slowPerMille } = this.#plan;
    const delay = this.#random.between(delayMin, delayMax);
    return this.#random.chance(slowPerMille) ? delay * this.#random.between(2, 20) : delay;
  }
}

/** A number for each direction between two nodes; node numbers are small here. */
function link(from: PeerId, to: PeerId): number {
  return from * 4096 + to;
}
