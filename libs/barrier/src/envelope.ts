import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Random } from '@coffer/kernel';
import { BarrierError } from './barrier.ts';

/** term (4) ‖ version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16) */
const VERSION = 0x02;
const TERM_BYTES = 4;
const NONCE_AT = TERM_BYTES + 1;
const NONCE_BYTES = 12;
const TEXT_AT = NONCE_AT + NONCE_BYTES;
const TAG_BYTES = 16;

/** 32 bytes. For more than a few uses a KeyObject: given bytes, Node spends several times the encryption on looking at them. */
export type CipherKey = Uint8Array | KeyObject;

/** So many bytes longer than its plaintext is an envelope. */
export const ENVELOPE_OVERHEAD_BYTES = TEXT_AT + TAG_BYTES;

/**
 * AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the storage path is the additional data, so that a value
 * moved to another path does not decrypt. The term needs no protection: another one names another key, which does not fit.
 */
export function sealEnvelope(
  term: number,
  key: CipherKey,
  path: string,
  plaintext: Uint8Array,
  random: Random,
): Uint8Array {
  const envelope = Buffer.allocUnsafeSlow(TEXT_AT + plaintext.length + TAG_BYTES);
  envelope.writeUInt32BE(term, 0);
  envelope[TERM_BYTES] = VERSION;
  const nonce = random.bytes(NONCE_BYTES);
  envelope.set(nonce, NONCE_AT);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(path));
  envelope.set(cipher.update(plaintext), TEXT_AT);
  cipher.final();
  envelope.set(cipher.getAuthTag(), TEXT_AT + plaintext.length);
  return envelope;
}

/** The term under which an envelope was made. @throws BarrierError `corrupt` */
export function termOf(envelope: Uint8Array): number {
  if (envelope.length < TEXT_AT + TAG_BYTES || envelope[TERM_BYTES] !== VERSION)
    throw new BarrierError('corrupt', 'a stored value is no envelope');
  return new DataView(envelope.buffer, envelope.byteOffset, TERM_BYTES).getUint32(0);
}

/** @throws BarrierError `wrong-key` if key, path or bytes do not belong together; `corrupt` for what is no envelope */
export function openEnvelope(key: CipherKey, path: string, envelope: Uint8Array): Uint8Array {
  termOf(envelope);
  const decipher = createDecipheriv('aes-256-gcm', key, envelope.subarray(NONCE_AT, TEXT_AT), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(path));
  decipher.setAuthTag(envelope.subarray(envelope.length - TAG_BYTES));
  try {
    const plaintext = decipher.update(envelope.subarray(TEXT_AT, envelope.length - TAG_BYTES));
    decipher.final();
    return plaintext;
  } catch (cause) {
    throw new BarrierError('wrong-key', 'a stored value does not decrypt', { cause });
  }
}
