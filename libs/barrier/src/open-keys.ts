import { assert, wipe } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';
import type { WriteOp } from '@coffer/storage';
import { KEYRING_KEY } from './barrier-keys.ts';
import { BarrierError } from './barrier.ts';
import { openEnvelope, sealEnvelope, termOf } from './envelope.ts';
import type { KeyUsage } from './key-usage.ts';
import { Keyring } from './keyring.ts';

/** What an unsealed barrier holds. */
export interface OpenKeys {
  readonly rootKey: Uint8Array;
  readonly keyring: Keyring;
  readonly derivationKey: Uint8Array;
  readonly usage: KeyUsage;
}

/** Overwrites all of them. */
export function wipeAll({ rootKey, keyring, derivationKey }: OpenKeys): void {
  wipe(rootKey);
  keyring.wipe();
  wipe(derivationKey);
}

/** @throws BarrierError `corrupt`: what is stored is not what was written there, or was written under a lost key */
export function decrypt(keyring: Keyring, key: string, envelope: Uint8Array): Uint8Array {
  const dataKey = keyring.cipherKey(termOf(envelope));
  if (!dataKey) throw new BarrierError('corrupt', 'a stored value was encrypted under an unknown key');
  try {
    return openEnvelope(dataKey, key, envelope);
  } catch (cause) {
    throw new BarrierError('corrupt', 'a stored value was changed or moved: it does not decrypt', { cause });
  }
}

/** Writes a value under the newest key. */
export function sealedOp(keyring: Keyring, key: string, plaintext: Uint8Array, random: Random): WriteOp {
  const { term } = keyring.newest;
  const dataKey = keyring.cipherKey(term);
  assert(dataKey !== undefined, 'a keyring holds its newest key');
  return { kind: 'put', key, value: sealEnvelope(term, dataKey, key, plaintext, random) };
}

/** Writes the keyring itself. */
export function keyringOp(keyring: Keyring, rootKey: Uint8Array, random: Random): WriteOp {
  const plaintext = keyring.serialize();
  const value = sealEnvelope(0, rootKey, KEYRING_KEY, plaintext, random);
  wipe(plaintext);
  return { kind: 'put', key: KEYRING_KEY, value };
}

/** @throws BarrierError `wrong-key`, `corrupt` */
export function openKeyring(rootKey: Uint8Array, stored: Uint8Array): Keyring {
  const plaintext = openEnvelope(rootKey, KEYRING_KEY, stored);
  try {
    return Keyring.parse(plaintext);
  } finally {
    wipe(plaintext);
  }
}
