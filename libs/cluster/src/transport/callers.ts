import type { Connection } from './connection.ts';
import type { Protocol } from './frame.ts';

/** A node needs one connection for each protocol; the former one may not be known to be dead yet. */
const PER_NODE_MAX = 2;
/** Nodes that this one does not know as members, all together: a leader that it has yet to learn of. */
const STRANGERS_MAX = 8;

/**
 * The connections of nodes that were let in. Each may hold a frame as long as the longest that is allowed, so that their
 * number bounds memory: one more of the same node ends its oldest.
 */
export class Callers {
  /** By node and protocol, and of all strangers together; the oldest first. */
  readonly #groups = new Map<string, Set<Connection>>();

  enter(
    connection: Connection,
    caller: { readonly nodeId: string; readonly protocol: Protocol; readonly member: boolean },
  ): void {
    this.#add(`${caller.protocol} ${caller.nodeId}`, connection, PER_NODE_MAX);
    if (!caller.member) this.#add('', connection, STRANGERS_MAX);
  }

  leave(connection: Connection): void {
    for (const [name, group] of this.#groups) {
      if (group.delete(connection) && group.size === 0) this.#groups.delete(name);
    }
  }

  #add(name: string, connection: Connection, max: number): void {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, (group = new Set()));
    group.add(connection);
    const [oldest] = group;
    if (group.size <= max || oldest === undefined) return;
    group.delete(oldest);
    oldest.destroy(new Error('a newer connection took its place'));
  }
}
