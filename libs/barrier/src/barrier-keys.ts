/** Where the keyring lies, encrypted by the root key. */
export const KEYRING_KEY = 'core/keyring';
/** The key of `derive`, of its own so that rotation does not change what was derived. Encrypted by the keyring. */
export const DERIVATION_KEY = 'core/derivation-key';
/** How often the newest key was used; see `KeyUsage`. Encrypted by the keyring. */
export const KEY_USAGE_KEY = 'core/key-usage';
/**
 * The root key, encrypted by the keyring: when the active node changes the root key, the others (which hold the keyring)
 * learn the new one from here and need not be unsealed again. It gives nothing to who holds the keyring already.
 */
export const ROOT_KEY_COPY_KEY = 'core/seal/root-key-copy';
/** The seal's key, encrypted by the keyring: every node that may become active must know it to let others join. */
export const SEAL_KEY_COPY_KEY = 'core/seal/seal-key-copy';
/** In the clear: a sealed node must know how many shares to ask for. */
export const SEAL_CONFIG_KEY = 'core/seal-config';
/** The root key, encrypted by the key that the shares make up. */
export const ROOT_KEY_KEY = 'core/seal/root-key';

const OWN: ReadonlySet<string> = new Set([
  KEYRING_KEY,
  DERIVATION_KEY,
  KEY_USAGE_KEY,
  ROOT_KEY_COPY_KEY,
  SEAL_KEY_COPY_KEY,
  SEAL_CONFIG_KEY,
  ROOT_KEY_KEY,
]);

/** Without these, a store is of no use to anybody. */
export const REQUIRED_BARRIER_KEYS: readonly string[] = [KEYRING_KEY, DERIVATION_KEY, SEAL_CONFIG_KEY, ROOT_KEY_KEY];

/** Whether a key is the barrier's or the seal's own, which nobody else may write. */
export const isBarrierKey = (key: string): boolean => OWN.has(key);
