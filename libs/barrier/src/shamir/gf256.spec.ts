import { readFileSync } from 'node:fs';
import { add, inverse, multiply } from './gf256.ts';

/** Long multiplication of polynomials, then division by x^8 + x^4 + x^3 + x + 1: slow, and obviously right. */
function byDefinition(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit;
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11b << (bit - 8);
  return product;
}

describe('the field of 256 elements', () => {
  it('multiplies as defined, whatever the factors', () => {
    for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) expect(multiply(a, b)).toBe(byDefinition(a, b));
  });

  it('is that of AES (FIPS 197, section 4.2)', () => {
    expect(add(0x57, 0x83)).toBe(0xd4);
    expect(multiply(0x57, 0x83)).toBe(0xc1);
    expect(multiply(0x57, 0x13)).toBe(0xfe);
  });

  it('has an inverse of everything but 0', () => {
    for (let a = 1; a < 256; a++) expect(multiply(a, inverse(a))).toBe(1);
    expect(inverse(0)).toBe(0);
  });
});

describe('its implementation', () => {
  it('has no branch, no loop end and no look-up that depends on an operand', () => {
    // As it is written: what runs may have been instrumented to count coverage.
    const code = readFileSync(new URL('gf256.ts', import.meta.url), 'utf8').replaceAll(/\/\*.*?\*\//gs, '');
    for (const operation of [multiply, inverse, add]) expect(code).toMatch(new RegExp(`\\b${operation.name}\\b`));
    // Comparisons, conditionals and indices; the loop over the eight bits is the same for all.
    const rest = code.replace('for (let bit = 0; bit < 8; bit++)', '');
    expect(rest).not.toBe(code);
    expect(rest).not.toMatch(/\bif\b|\?|&&|\|\||\[|\bwhile\b|\bfor\b|===|[^<]<[^<]/);
  });
});
