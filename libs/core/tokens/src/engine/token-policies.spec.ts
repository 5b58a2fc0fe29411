import { policyNames } from '@coffer/sdk';
import { policiesForToken } from './token-policies.ts';

/** A simple generator (Lehmer, 1951), so that a failure can be repeated. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

const LETTERS = ['r', 'o', 't', 'R', 'O', 'T', '\uff52', '\uff2f', '\u24e3', '\u{1d42b}', '\u00ba', 'a', '*', '/'];
const NOISE = [
  '',
  ' ',
  '\t',
  '\n',
  '\u0000',
  '\u00a0',
  '\u00ad',
  '\u200b',
  '\u200d',
  '\u2060',
  '\ufeff',
  '\u0301',
  ',',
];

describe('names of policies', () => {
  it('are never root for one check and something else for the next', () => {
    const next = numbers(7);
    const pick = (from: readonly string[]): string => from[next(from.length)] ?? '';
    let roots = 0;
    for (let round = 0; round < 20_000; round++) {
      const spelt =
        round % 2 === 0
          ? ['rR\uff52\u{1d42b}', 'oO\uff2f', 'oO\uff4f', 'tT\u24e3']
              .map((all) => pick([...all]) + pick(NOISE))
              .join('')
          : Array.from({ length: next(7) }, () => pick(LETTERS) + pick(NOISE)).join('');
      const once = policyNames([pick(NOISE) + spelt]);
      if (once.includes('root')) roots += 1;
      expect(policyNames(once).includes('root')).toBe(once.includes('root'));
      const wish = { asked: [spelt], noDefaultPolicy: true, inherited: ['app'], role: undefined };
      if (policyNames([spelt]).length > 0 && !policyNames([spelt]).includes('app'))
        expect(() => policiesForToken({ ...wish, sudo: false })).toThrow('child policies must be subset of parent');
    }
    expect(roots).toBeGreaterThan(1000);
  });

  it('stay root alone where root is among them', () => {
    const wish = { noDefaultPolicy: false, inherited: ['root'], sudo: true, role: undefined };
    expect(policiesForToken({ ...wish, asked: ['app', ' ROOT '] })).toEqual(['root']);
    expect(policiesForToken({ ...wish, asked: [] })).toEqual(['root']);
  });
});
