import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { LiveMount } from '@coffer/core-api';
import { INTENTS } from './mount-context.ts';
import type { StoredIntent } from './mount-context.ts';

/** How long a handler may take before its intent counts as left behind, in milliseconds. */
const INTENT_AGE_MS = 10 * 60_000;
const ROUND_MS = 60_000;

/** On the active node, about once a minute: undoes intents that were never settled and calls the engines' `periodic`. */
export class MountRollback {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #mounts: () => readonly LiveMount[];
  #cancel: CancelTimer | undefined;
  #underWay = false;

  constructor(deps: { readonly clock: Clock; readonly log: Log }, mounts: () => readonly LiveMount[]) {
    this.#clock = deps.clock;
    this.#log = deps.log.named('rollback');
    this.#mounts = mounts;
  }

  start(): void {
    this.stop();
    this.#cancel = this.#clock.every(ROUND_MS, () => void this.round());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** One round over all mounts; a mount that fails does not keep the others from theirs. */
  async round(): Promise<void> {
    if (this.#underWay) return;
    this.#underWay = true;
    try {
      for (const mount of this.#mounts()) {
        if (!this.#cancel) return;
        if (mount.unavailable === undefined) await this.#visit(mount);
      }
    } finally {
      this.#underWay = false;
    }
  }

  async #visit(mount: LiveMount): Promise<void> {
    try {
      await visitMount(mount, this.#clock);
    } catch (error) {
      this.#log.warn('a mount failed in its periodic round; it is tried again', { path: mount.prefix, error });
    }
  }

  /** For the last time, before a mount goes: all intents, however young. What cannot be undone is logged. */
  async undoAll(mount: LiveMount): Promise<void> {
    if (mount.unavailable !== undefined) return;
    try {
      await undoIntents(mount, this.#clock, 0);
    } catch (error) {
      this.#log.error('a mount that is removed could not undo all that it began', { path: mount.prefix, error });
    }
  }
}

/** What one mount does in a round: each part, whatever becomes of the other. @throws what failed first */
export async function visitMount(mount: LiveMount, clock: Clock): Promise<void> {
  const [round] = await Promise.allSettled([mount.type.periodic?.(mount.engine)]);
  await undoIntents(mount, clock, INTENT_AGE_MS);
  if (round.status === 'rejected') throw round.reason;
}

async function undoIntents({ type, engine, context }: LiveMount, clock: Clock, ageMs: number): Promise<void> {
  if (!type.intentTypes || type.intentTypes.length === 0) return;
  const failures: unknown[] = [];
  for (const id of await context.view.list(INTENTS)) {
    const intent = await context.view.getJson<StoredIntent>(INTENTS + id);
    if (!intent || clock.nowMs() - intent.createdMs < ageMs) continue;
    try {
      const declared = type.intentTypes.find(({ kind }) => kind === intent.kind);
      if (!declared) throw new Error(`the engine knows no intent of the kind ${intent.kind}`);
      await declared.undo(engine, intent.data);
      await context.transact((own) => {
        own.delete(INTENTS + id);
      });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
