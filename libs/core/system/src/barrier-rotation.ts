import type { Barrier } from '@coffer/barrier';

/** Where the settings lie, below the system mount. */
export const ROTATION_CONFIG_KEY = 'rotation-config';

/** Vault's limits: 90 % of what SP 800-38D, section 8.3, allows a key with random nonces (2^32). */
export const MAX_OPERATIONS_HIGHEST = 3_865_470_566;
export const MAX_OPERATIONS_LOWEST = 1_000_000;

/** When the barrier's key is rotated without being asked to. */
export interface RotationConfig {
  /** Encryptions under one key. */
  readonly maxOperations: number;
  /** Age of a key; 0 for no limit. */
  readonly intervalSeconds: number;
  readonly enabled: boolean;
}

export const ROTATION_DEFAULTS: RotationConfig = {
  maxOperations: MAX_OPERATIONS_HIGHEST,
  intervalSeconds: 0,
  enabled: true,
};

/**
 * Rotates the barrier's key if it is too old or was used too often; called about once a minute on the active node.
 * Whatever the settings, the barrier itself rotates before a key becomes unsafe.
 *
 * @returns whether it did
 */
export async function rotateIfDue(barrier: Barrier, config: RotationConfig, nowMs: number): Promise<boolean> {
  if (!config.enabled) return false;
  const { encryptions, installTimeMs } = barrier.keyStatus();
  const isOld = config.intervalSeconds > 0 && nowMs - installTimeMs >= config.intervalSeconds * 1000;
  if (!isOld && encryptions < config.maxOperations) return false;
  await barrier.rotate();
  return true;
}
