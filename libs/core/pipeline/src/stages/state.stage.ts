import type { Clock, MaybePromise } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { Request } from '@coffer/sdk';
import type { CoreServices } from '../node-status.ts';

/** So long a read waits for the state that it must see, in milliseconds, within its own deadline. */
const WAIT_MS_MAX = 5000;
const LOOK_MS = 5;

/** Whether the state here lacks what was written up to an index. */
export function isBehind(services: CoreServices, index: number): boolean {
  return services.barrier.appliedIndex() < index;
}

/** Waits until the state here has it. @throws RequestError `precondition-failed` if that takes too long */
export function untilReached(
  services: CoreServices,
  index: number,
  request: Request,
  clock: Clock,
): MaybePromise<void> {
  const { barrier } = services;
  if (barrier.appliedIndex() >= index) return undefined;
  const waitMs = Math.max(0, Math.min(WAIT_MS_MAX, request.deadlineMs - clock.monotonicMs()));
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stop();
      cancel();
      if (barrier.appliedIndex() >= index) resolve();
      else reject(new RequestError('precondition-failed', 'required index state not present'));
    };
    // Looked at rather than told: entries that change no key count, too, and nobody is told of those.
    const stop = clock.every(LOOK_MS, () => {
      if (barrier.appliedIndex() >= index) end();
    });
    const cancel = clock.after(waitMs, end);
  });
}
