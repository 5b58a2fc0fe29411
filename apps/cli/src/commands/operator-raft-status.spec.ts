import { describe, expect, it } from '@jest/globals';
import { bytesText } from './operator-raft-status.ts';

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1_500_000, '1.43 MiB'],
    [1000 * 1024 * 1024, '1000 MiB'],
    [123_456_789_012, '115 GiB'],
  ])('%s bytes are %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});
