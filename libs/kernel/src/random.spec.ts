import { systemRandom } from './random.ts';

describe('the system’s random bytes', () => {
  it('are never given out twice, nor left at nought, across many stocks', () => {
    const seen = new Set<string>();
    let noughtsAtEnds = 0;
    for (let round = 0; round < 5000; round++) {
      for (const count of [8, 12, 16, 32]) {
        const bytes = systemRandom.bytes(count);
        expect(bytes.length).toBe(count);
        noughtsAtEnds += Number(bytes[0] === 0) + Number(bytes[count - 1] === 0);
        const text = Buffer.from(bytes.subarray(0, 8)).toString('hex');
        if (seen.has(text)) throw new Error(`${text} was given out before`);
        seen.add(text);
      }
    }
    // One in 256 by chance, about 156; more by any overlap with what was overwritten.
    expect(noughtsAtEnds).toBeLessThan(400);
  });

  it('are the caller’s own: what is done with them shows nowhere else', () => {
    const first = systemRandom.bytes(12);
    const second = systemRandom.bytes(12);
    const before = Buffer.from(second).toString('hex');
    first.fill(0);
    expect(first.buffer).not.toBe(second.buffer);
    expect(Buffer.from(second).toString('hex')).toBe(before);
  });
});
