import { wipe } from '@coffer/kernel';
import type { MaybePromise, Secret } from '@coffer/kernel';
import { BarrierError, fingerprintOf } from '@coffer/barrier';
import type { SealConfig, SealStatus, ShareCollector } from '@coffer/barrier';
import { badRequest } from '@coffer/sdk';

/** What the holders of shares prove their right by: the seal as it is now. */
export interface PresentSeal {
  status(): MaybePromise<SealStatus>;
  verifyKey(sealKey: Secret<Uint8Array>): Promise<boolean>;
}

/**
 * Adds a share of the present seal to an attempt.
 *
 * @param operation names the attempt in errors: `rotation`
 * @param unfit what is thrown where the shares together are not the key
 * @returns whether there are enough now, and they fit
 * @throws RequestError for what cannot be a share, or was given before
 */
export async function givePresentShare(
  seal: PresentSeal,
  collector: ShareCollector,
  share: Secret<Uint8Array>,
  operation: string,
  unfit: () => Error,
): Promise<boolean> {
  const { shares, threshold } = await seal.status();
  const key = collect(collector, share, { type: 'shamir', shares, threshold }, operation);
  if (!key) return false;
  try {
    if (!(await seal.verifyKey(key))) throw unfit();
    return true;
  } finally {
    wipe(key.reveal());
  }
}

/**
 * Adds a share to an attempt. @returns the key, once there are enough
 * @throws RequestError for one that cannot be a share, or was given before
 */
export function collect(
  collector: ShareCollector,
  share: Secret<Uint8Array>,
  config: SealConfig,
  operation: string,
): Secret<Uint8Array> | undefined {
  const before = collector.progress;
  const key = asBadRequest(() => collector.add(share, config));
  if (!key && collector.progress === before) {
    throw badRequest(`given key has already been provided during this ${operation}`);
  }
  return key;
}

/** Of PGP keys, in their order. @throws RequestError for one that is none */
export async function fingerprintsOf(pgpKeys: readonly string[]): Promise<readonly string[]> {
  try {
    return await Promise.all(pgpKeys.map((key) => fingerprintOf(key)));
  } catch (error) {
    throw refusal(error);
  }
}

/** What the barrier refuses is the request's fault. */
export function asBadRequest<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): unknown {
  return error instanceof BarrierError ? badRequest(error.message) : error;
}
