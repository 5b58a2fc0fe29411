import type { Clock, Log, MaybePromise } from '@coffer/kernel';
import { StorageError, type NodeAddress } from '@coffer/storage';
import type { JoinGrant } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { Member } from '../disk/members.ts';
import type { ClusterLinks } from './cluster-links.ts';
import type { Conditions } from './conditions.ts';

/** A node that joined waits so long to become a voter; it is a member without that, and autopilot may take its time. */
const PROMOTION_MS_MAX = 1000;

export interface BelongingHost {
  readonly self: NodeAddress;
  readonly clock: Clock;
  readonly log: Log;
  readonly links: ClusterLinks;
  readonly conditions: Conditions;
  /** The disk, while it is open. */
  disk(): LevelDisk | undefined;
  /** Takes part from now on, if it does not already. */
  run(): void;
  /** Whether it takes part and can. */
  running(): boolean;
  disconnect(): Promise<void>;
  readBarrier(signal: AbortSignal): MaybePromise<void>;
}

/** How this node becomes a member of a cluster, and what it does when it is one no more. */
export class Belonging {
  readonly #host: BelongingHost;
  readonly #listeners = new Set<() => void>();
  #joining = false;
  #leaving = false;

  constructor(host: BelongingHost) {
    this.#host = host;
  }

  /** See `RaftNode.onRemoved`. */
  onRemoved(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** See `RaftNode.join`. @throws StorageError `conflict`, or the signal's reason */
  async join(grant: JoinGrant, signal: AbortSignal): Promise<void> {
    if (this.#joining) throw new StorageError('conflict', 'this node is joining already');
    this.#joining = true;
    try {
      await this.#join(grant, signal);
    } catch (error) {
      // Nothing arrived: the next attempt gets another number.
      if (this.#host.disk()?.blank === true) await this.#host.disconnect();
      throw error;
    } finally {
      this.#joining = false;
    }
  }

  async #join({ clusterId, peerId, tls, peers }: JoinGrant, signal: AbortSignal): Promise<void> {
    const { links, conditions, clock, self } = this.#host;
    const disk = this.#host.disk();
    if (disk === undefined) throw new StorageError('closed', 'the storage is not open');
    const known = disk.identity;
    if (known?.clusterId !== clusterId || known.peer !== peerId) {
      if (!disk.blank) throw new StorageError('conflict', 'this node holds the state of a cluster already');
      await this.#host.disconnect();
      await disk.adopt({ nodeId: self.nodeId, clusterId, peer: peerId });
    }
    links.introduce(peers);
    await links.open({ nodeId: self.nodeId, clusterId, peer: peerId }, disk.members, tls);
    this.#host.run();
    const own = (): Member | undefined => disk.members.list.find((member) => member.peer === peerId);
    await conditions.until(() => own() !== undefined, signal);
    signal.throwIfAborted();
    await this.#upToDate(signal);
    const patience = new AbortController();
    const cancel = clock.after(PROMOTION_MS_MAX, () => patience.abort());
    await conditions.until(() => own()?.promote !== true, AbortSignal.any([signal, patience.signal]));
    cancel();
  }

  /** Waits until the state here is the cluster's, however long that takes. */
  async #upToDate(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.#host.readBarrier(signal);
      } catch (error) {
        if (!(error instanceof StorageError) || !this.#host.running()) throw error;
        this.#host.log.debug('waiting for the state of the cluster', { error });
      }
    }
  }

  /** Takes no further part, for good: what a removed node says would only disturb the others. */
  removed(): void {
    const { log } = this.#host;
    const disk = this.#host.disk();
    if (this.#leaving || disk?.identity === undefined || disk.identity.removed === true) return;
    this.#leaving = true;
    log.error('this node was removed from the cluster: wipe its storage folder to let it join again');
    disk
      .markRemoved()
      .then(() => this.#host.disconnect())
      .then(
        () => {
          for (const listener of this.#listeners) listener();
        },
        (error: unknown) => log.error('cannot leave the cluster in good order', { error }),
      )
      .finally(() => {
        this.#leaving = false;
      });
  }
}
