import type { Key } from 'openpgp';
import { BarrierError } from './barrier.ts';

/** Twenty megabytes that most clusters never need: loaded when a key is first given. */
const openPgp = async () => import('openpgp');

/** Reads a public key, armoured or in base64. @throws BarrierError `invalid-config` */
async function publicKey(text: string): Promise<Key> {
  const key = await readAnyKey(text);
  // Not even to be read by mistake: whoever sent it must know that it is no longer a secret.
  if (key.isPrivate()) throw new BarrierError('invalid-config', 'error parsing PGP key: this is a private key');
  return key;
}

async function readAnyKey(text: string): Promise<Key> {
  const { readKey } = await openPgp();
  try {
    return text.includes('-----BEGIN')
      ? await readKey({ armoredKey: text })
      : await readKey({ binaryKey: new Uint8Array(Buffer.from(text, 'base64')) });
  } catch (cause) {
    throw new BarrierError('invalid-config', 'error parsing PGP key: expected a public key, armored or in base64', {
      cause,
    });
  }
}

/**
 * Encrypts for one key (RFC 9580). The plaintext is the text that the receiver would have got without PGP, as Vault has it.
 *
 * @throws BarrierError `invalid-config` for a key that cannot be read or cannot encrypt
 */
export async function encryptFor(keyText: string, plaintext: string): Promise<Uint8Array> {
  const key = await publicKey(keyText);
  const { createMessage, encrypt, enums } = await openPgp();
  try {
    const message = await createMessage({ text: plaintext, format: 'utf8' });
    const sealed: unknown = await encrypt({
      message,
      encryptionKeys: key,
      format: 'binary',
      config: { preferredCompressionAlgorithm: enums.compression.uncompressed },
    });
    return sealed as Uint8Array;
  } catch (cause) {
    throw new BarrierError('invalid-config', 'the PGP key cannot be used to encrypt', { cause });
  }
}

/** The key's fingerprint, in hex. @throws BarrierError `invalid-config` */
export async function fingerprintOf(keyText: string): Promise<string> {
  return (await publicKey(keyText)).getFingerprint();
}
