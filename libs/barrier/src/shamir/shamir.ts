import type { Random } from '@coffer/kernel';
import { BarrierError } from '../barrier.ts';
import { add, inverse, multiply } from './gf256.ts';

export const SHARES_MAX = 255;

/**
 * Splits a secret into `shares` of which any `threshold` restore it (Shamir, CACM 22/11, 1979), each byte by a
 * polynomial of its own. A share is its bytes followed by its x coordinate, as Vault has it.
 *
 * @throws BarrierError `invalid-config`
 */
export function split(secret: Uint8Array, shares: number, threshold: number, random: Random): Uint8Array[] {
  if (!(threshold >= 2 && shares >= threshold && shares <= SHARES_MAX) || secret.length === 0) {
    throw new BarrierError('invalid-config', 'a secret is split into 2 to 255 shares of which at least 2 are needed');
  }
  const xs = coordinates(shares, random);
  const made = xs.map((x) => {
    const share = new Uint8Array(secret.length + 1);
    share[secret.length] = x;
    return share;
  });
  for (let at = 0; at < secret.length; at++) {
    const coefficients = random.bytes(threshold);
    coefficients[0] = secret[at] as number;
    xs.forEach((x, index) => {
      (made[index] as Uint8Array)[at] = evaluate(coefficients, x);
    });
    coefficients.fill(0);
  }
  return made;
}

/** Different x, none 0, in no order that tells how many there are. */
function coordinates(count: number, random: Random): number[] {
  const all = Array.from({ length: SHARES_MAX }, (_, index) => index + 1);
  for (let at = 0; at < count; at++) {
    const other = at + random.below(all.length - at);
    [all[at], all[other]] = [all[other] as number, all[at] as number];
  }
  return all.slice(0, count);
}

/** Horner's rule. */
function evaluate(coefficients: Uint8Array, x: number): number {
  let value = 0;
  for (let at = coefficients.length - 1; at >= 0; at--) value = add(multiply(value, x), coefficients[at] as number);
  return value;
}

/**
 * Restores a secret by Lagrange's interpolation at 0. Too few or wrong shares give a wrong secret, which only its use
 * can tell.
 *
 * @throws BarrierError `invalid-share` for shares of different lengths or the same x
 */
export function combine(shares: readonly Uint8Array[]): Uint8Array {
  const length = shares[0]?.length ?? 0;
  if (shares.length < 2 || length < 2 || shares.some((share) => share.length !== length)) {
    throw new BarrierError('invalid-share', 'shares have the same length and are at least two');
  }
  const xs = shares.map((share) => share[length - 1] as number);
  if (new Set(xs).size !== xs.length || xs.includes(0))
    throw new BarrierError('invalid-share', 'the same share was given twice');
  const weights = xs.map((x, index) =>
    xs.reduce(
      (product, other, position) =>
        position === index ? product : multiply(product, multiply(other, inverse(add(other, x)))),
      1,
    ),
  );
  const secret = new Uint8Array(length - 1);
  for (let at = 0; at < secret.length; at++) {
    secret[at] = shares.reduce(
      (sum, share, index) => add(sum, multiply(share[at] as number, weights[index] as number)),
      0,
    );
  }
  return secret;
}
