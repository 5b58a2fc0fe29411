import { readFileSync } from 'node:fs';
import { CommandError } from './command-error.ts';
import { reason } from './key-values.ts';

/**
 * Public PGP keys from files, in base64, as the API takes them. A file may be binary, armoured, or base64 already.
 *
 * @param texts values of a flag: paths separated by commas, each with or without `@` before it
 * @throws CommandError if a file cannot be used
 */
export function pgpKeys(texts: readonly string[]): readonly string[] {
  return texts
    .flatMap((text) => text.split(','))
    .map((path) => path.trim())
    .filter((path) => path !== '')
    .map(readKey);
}

function readKey(path: string): string {
  if (path.startsWith('keybase:'))
    throw new CommandError(`"${path}": keys are read from files; save the key of this name to one`, 1);
  const file = path.replace(/^@/, '');
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new CommandError(`error reading the PGP key ${file}: ${reason(error)}`, 1);
  }
  return keyInBase64(bytes, file);
}

/** @throws CommandError for armour that is cut off */
export function keyInBase64(bytes: Buffer, file: string): string {
  const text = bytes.toString('latin1');
  if (text.includes('-----BEGIN PGP')) {
    const [, body] =
      /-----BEGIN PGP [A-Z ]+-----\r?\n(?:[^\r\n]+: [^\r\n]*\r?\n)*\r?\n([^-]*)-----END PGP/.exec(text) ?? [];
    if (body === undefined) throw new CommandError(`the PGP key ${file} is no whole armoured key`, 1);
    // The last line of the armour is its checksum.
    return body.replace(/^=[A-Za-z0-9+/]{4}\s*$/m, '').replaceAll(/\s/g, '');
  }
  const plain = text.replaceAll(/\s/g, '');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(plain) && plain.length % 4 === 0 ? plain : bytes.toString('base64');
}
