/** A connection that has not said who it is. */
export interface Visitor {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  destroy(): void;
}

/**
 * Who has connected to the cluster port and not proved yet to be a node. There is room for a bounded number: one more
 * turns out the oldest of the address that has the most, so that whoever floods the port turns out its own, and a
 * node, which proves itself within milliseconds, gets in all the same.
 */
export class Doorstep {
  readonly #max: number;
  /** By address and then port (which name a connection), the oldest first. */
  readonly #byAddress = new Map<string, Map<number, Visitor>>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  arrive(visitor: Visitor): void {
    const { remoteAddress, remotePort } = visitor;
    // It is gone already.
    if (remoteAddress === undefined || remotePort === undefined) {
      visitor.destroy();
      return;
    }
    let ports = this.#byAddress.get(remoteAddress);
    if (ports === undefined) this.#byAddress.set(remoteAddress, (ports = new Map<number, Visitor>()));
    if (!ports.has(remotePort)) this.#count += 1;
    ports.set(remotePort, visitor);
    if (this.#count > this.#max) this.#turnOut();
  }

  /** It came in, or closed; does nothing the second time. */
  leave(remoteAddress: string, remotePort: number): void {
    const ports = this.#byAddress.get(remoteAddress);
    if (ports?.delete(remotePort) !== true) return;
    this.#count -= 1;
    if (ports.size === 0) this.#byAddress.delete(remoteAddress);
  }

  #turnOut(): void {
    let most: readonly [string, Map<number, Visitor>] | undefined;
    for (const some of this.#byAddress) if (most === undefined || some[1].size > most[1].size) most = some;
    const [oldest] = most?.[1] ?? [];
    if (most === undefined || oldest === undefined) return;
    this.leave(most[0], oldest[0]);
    oldest[1].destroy();
  }
}
