import { systemRandom } from '@coffer/kernel';
import { KeyUsage, USAGE_STEP } from './key-usage.ts';
import { Keyring } from './keyring.ts';
import type { DataKey } from './keyring.ts';

const dataKey = (term: number): DataKey => ({ term, key: systemRandom.bytes(32), installedMs: term * 1000 });
const corrupt = expect.objectContaining({ name: 'BarrierError', code: 'corrupt' }) as Error;

describe('a keyring', () => {
  it('encrypts with its newest key and is the same after it was stored', () => {
    const keyring = new Keyring([dataKey(1), dataKey(3), dataKey(2)]);
    expect(keyring.newest.term).toBe(3);
    const read = Keyring.parse(keyring.serialize());
    for (const term of [1, 2, 3, 4]) expect(read.key(term)).toEqual(keyring.key(term));
  });

  it.each([
    'x',
    'null',
    '[]',
    '{}',
    '{"version":2,"keys":[{}]}',
    '{"version":1,"keys":[]}',
    '{"version":1,"keys":[{"term":1,"key":"AAAA","installedMs":0}]}',
    `{"version":1,"keys":[{"term":0,"key":"${'A'.repeat(43)}=","installedMs":0}]}`,
    `{"version":1,"keys":[{"term":1,"key":7,"installedMs":0}]}`,
  ])('is refused when it is damaged, without quoting it: %s', (stored) => {
    expect(() => Keyring.parse(new TextEncoder().encode(stored))).toThrow(corrupt);
  });

  it('gives no key for encryption once it is wiped', () => {
    const keyring = new Keyring([dataKey(1)]);
    expect(keyring.cipherKey(1)?.export()).toEqual(Buffer.from(keyring.newest.key));
    expect(keyring.cipherKey(2)).toBeUndefined();
    keyring.wipe();
    expect(() => keyring.cipherKey(1)).toThrow(expect.objectContaining({ code: 'sealed' }) as Error);
  });

  it('overwrites its keys, apart from those that its successor shares', () => {
    const first = dataKey(1);
    const old = new Keyring([first]);
    const next = old.with(dataKey(2));
    old.wipeAllBut(next);
    expect(first.key.some((byte) => byte !== 0)).toBe(true);
    next.wipe();
    expect(first.key.every((byte) => byte === 0)).toBe(true);
  });
});

describe('the count of encryptions', () => {
  it('is noted ahead, once for many', () => {
    const usage = new KeyUsage(1);
    expect(usage.note()).toBeUndefined();
    let notes = 0;
    for (let count = 0; count < USAGE_STEP + 10; count++) {
      usage.add(1);
      if (usage.note()) notes++;
    }
    expect(notes).toBe(2);
    expect(usage.used).toBe(USAGE_STEP + 12);
  });

  it('goes on from what others noted, never below what was used', () => {
    const first = new KeyUsage(1);
    first.add(1000);
    const note = first.note() ?? new Uint8Array();
    const second = new KeyUsage(1);
    second.learn(note);
    expect(second.used).toBeGreaterThanOrEqual(first.used);
    const used = first.used;
    first.learn(note);
    expect(first.used).toBe(used);
    const third = new KeyUsage(2);
    third.learn(note);
    expect(third.used).toBe(0);
  });

  it('is noted anew after a note was lost', () => {
    const usage = new KeyUsage(1);
    usage.add(1);
    expect(usage.note()).toBeDefined();
    expect(usage.note()).toBeUndefined();
    usage.noteLost();
    expect(usage.note()).toBeDefined();
  });

  it('is refused when it is damaged', () => {
    for (const stored of ['', '7', '{"term":1}'])
      expect(() => new KeyUsage(1).learn(new TextEncoder().encode(stored))).toThrow(corrupt);
  });
});
