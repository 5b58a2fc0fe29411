import { maskedCrc32c } from './crc32c.ts';

/** LevelDB's write-ahead log comes in blocks; no record's part crosses one (`doc/log_format.md` of LevelDB). */
const BLOCK_BYTES = 32_768;
/** Checksum (4), length (2), kind (1). */
const HEADER_BYTES = 7;

const FULL = 1;
const FIRST = 2;
/** 3 is a part in the middle. */
const LAST = 4;

/** What a write-ahead log shows. */
export interface WalFindings {
  /** Records that are there as a whole and undamaged. */
  readonly records: number;
  /** Whether damage is followed by a whole record. */
  readonly damagedInside: boolean;
}

/**
 * Reads a write-ahead log of LevelDB and looks for damage. LevelDB itself drops damaged records of it and goes on, which
 * here would be a lost vote or acknowledged write.
 *
 * A loss of power may leave the last, never synced batch in pieces, which is no damage: batches are synced one by one,
 * so that a whole record behind the pieces shows that they had been synced, too.
 */
export function inspectWal(bytes: Uint8Array): WalFindings {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let records = 0;
  let broken = false;
  let damagedInside = false;
  let within = false;
  const whole = (): void => {
    records++;
    if (broken) damagedInside = true;
  };
  for (let block = 0; block < bytes.length; block += BLOCK_BYTES) {
    const blockEnd = Math.min(block + BLOCK_BYTES, bytes.length);
    let at = block;
    while (at + HEADER_BYTES <= blockEnd) {
      const length = view.getUint16(at + 4, true);
      const kind = bytes[at + 6] as number;
      const end = at + HEADER_BYTES + length;
      const sound =
        kind >= FULL &&
        kind <= LAST &&
        end <= blockEnd &&
        view.getUint32(at, true) === maskedCrc32c(bytes.subarray(at + 6, end));
      if (!sound) {
        // Its length may be what is damaged: the next part begins anywhere from here on.
        broken = true;
        within = false;
        at++;
        continue;
      }
      if (kind === FULL || kind === FIRST) {
        // A record that is not ended by its last part was cut: a whole one behind it would have to be newer.
        if (within) broken = true;
        within = kind === FIRST;
        if (kind === FULL) whole();
      } else if (!within) {
        // The rest of a record whose beginning is damaged.
        broken = true;
      } else if (kind === LAST) {
        within = false;
        whole();
      }
      at = end;
    }
  }
  return { records, damagedInside };
}
