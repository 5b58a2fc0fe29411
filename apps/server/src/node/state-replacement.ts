import type { Log, Turns } from '@coffer/kernel';

/** What the node does when another state takes the place of the one that it serves. */
export interface ReplaceableNode {
  /** Changes of the node's state, one after the other. */
  readonly turns: Turns;
  readonly log: Log;
  /** Whether there are services that were made from the former state. */
  serves(): boolean;
  /** The barrier could not follow the keys, and has sealed itself. */
  sealed(): boolean;
  /** What the former services still have under way comes to nothing. */
  cutOff(): void;
  stopServices(): Promise<void>;
  startServices(): Promise<void>;
  seal(): void;
  /** Who waits for the node looks at it again. */
  wake(): void;
  /** Takes no further part in the cluster, once the others have the state, too. */
  leave(): Promise<void>;
}

/** A restore or a leader's snapshot: nothing that was made from the former state goes on. */
export class StateReplacement {
  readonly #node: ReplaceableNode;
  #underWay = 0;
  #served: Promise<void> = Promise.resolve();
  /** The node holds a state of other keys, and still takes part as before. */
  #mustLeave = false;

  constructor(node: ReplaceableNode) {
    this.#node = node;
  }

  /** Other services are on their way, for another state. */
  get underWay(): boolean {
    return this.#underWay > 0;
  }

  get mustLeave(): boolean {
    return this.#mustLeave;
  }

  /** Resolves when the newest state is served, or the node has sealed itself. */
  get served(): Promise<void> {
    return this.#served;
  }

  /** In the turn in which the other state becomes visible, after the barrier has followed it. */
  replaced(): void {
    const { log, turns } = this.#node;
    if (!this.#node.serves() && this.#node.sealed()) return;
    this.#underWay++;
    this.#node.cutOff();
    this.#served = turns
      .take(() => this.#serveOther())
      .catch((error: unknown) => log.error('the other state cannot be served', { error }));
  }

  /** Leaves the cluster if that is due; before unsealing at the latest. */
  async leave(): Promise<void> {
    if (!this.#mustLeave) return;
    this.#mustLeave = false;
    await this.#node.leave();
  }

  async #serveOther(): Promise<void> {
    const node = this.#node;
    try {
      await node.stopServices();
      if (!node.sealed()) await node.startServices();
    } catch (error) {
      node.log.error('the state that was put in the place of the former one cannot be served', { error });
      node.seal();
    }
    if (node.sealed()) {
      await node.stopServices();
      node.seal();
    }
    this.#underWay--;
    node.wake();
    if (!node.sealed()) return;
    node.log.warn('this node has sealed itself: it wants the shares that belong to the state that was put here');
    // In a turn of its own: who asked for the restore is answered over the cluster, too.
    this.#mustLeave = true;
    node.turns
      .take(() => this.leave())
      .catch((error: unknown) => node.log.error('leaving the cluster failed', { error }));
  }
}
