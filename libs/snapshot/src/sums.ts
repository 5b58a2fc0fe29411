import { ArchiveError } from './archive-error.ts';
import { META_FILE, STATE_FILE } from './archive-meta.ts';

/** SHA-256 of the files that are protected, in hex. */
export interface Sums {
  readonly meta: string;
  readonly state: string;
}

/** In the form of `sha256sum`. */
export const encodeSums = ({ meta, state }: Sums): Uint8Array =>
  Buffer.from(`${meta}  ${META_FILE}\n${state}  ${STATE_FILE}\n`);

/** @throws ArchiveError `damaged` where a sum is missing, unknown, given twice, or another one */
export function checkSums(bytes: Uint8Array, actual: Sums, file: string): void {
  const left = new Map([
    [META_FILE, actual.meta],
    [STATE_FILE, actual.state],
  ]);
  for (const line of Buffer.from(bytes).toString('latin1').split('\n')) {
    if (line === '') continue;
    const [, sum = '', name = ''] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    const expected = left.get(name);
    if (expected === undefined) throw new ArchiveError('damaged', `${file} does not fit the archive`);
    if (expected !== sum) throw new ArchiveError('damaged', `hash check failed for "${name}"`);
    left.delete(name);
  }
  const [missing] = left.keys();
  if (missing !== undefined) throw new ArchiveError('damaged', `${file} lacks the hash of "${missing}"`);
}
