import type { LevelDisk } from '../disk/level-disk.ts';
import { cutUpTo, type LogLimits } from './log-limits.ts';

const MIB = 1 << 20;

/** A log of entries of 1 MiB each, all applied. */
function diskOf(entries: number): LevelDisk {
  const log = {
    cut: 0,
    count: entries,
    bytes: entries * MIB,
    cutTarget: (entriesMax: number, bytesMax: number) =>
      Math.ceil(Math.max(0, entries - entriesMax, entries - bytesMax / MIB)),
  };
  return { log, applied: entries } as unknown as LevelDisk;
}

const NOBODY = (): number => Number.MAX_SAFE_INTEGER;

describe('where the log is cut', () => {
  const limits: LogLimits = { entriesMax: 1000, bytesMax: 64 * MIB };

  it('is nowhere within the limits, and at 7/8 of them beyond', () => {
    expect(cutUpTo(diskOf(64), limits, NOBODY)).toBeUndefined();
    expect(cutUpTo(diskOf(65), limits, NOBODY)).toBe(65 - 56);
  });

  it('is before what a living follower needs, up to twice the limits', () => {
    expect(cutUpTo(diskOf(100), limits, () => 5)).toBe(4);
    expect(cutUpTo(diskOf(100), limits, () => 1)).toBeUndefined();
    expect(cutUpTo(diskOf(200), limits, () => 5)).toBe(200 - 112);
  });

  it('follows the size of the state where that is small', () => {
    const small = (stateMiB: number | undefined): LogLimits => ({
      ...limits,
      stateBytes: () => (stateMiB === undefined ? undefined : stateMiB * MIB),
    });
    expect(cutUpTo(diskOf(40), small(undefined), NOBODY)).toBeUndefined();
    expect(cutUpTo(diskOf(40), small(1000), NOBODY)).toBeUndefined();
    expect(cutUpTo(diskOf(40), small(40), NOBODY)).toBe(Math.ceil(40 - 20 * (7 / 8)));
    // Never shorter than is cheap to keep.
    expect(cutUpTo(diskOf(40), small(0), NOBODY)).toBe(40 - 7);
    expect(cutUpTo(diskOf(8), small(0), NOBODY)).toBeUndefined();
    expect(cutUpTo(diskOf(40), small(40), () => 5)).toBe(4);
  });
});
