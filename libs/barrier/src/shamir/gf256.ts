/*
 * Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (0x11b, as AES and Vault), without branches or look-ups that
 * depend on the operands: the time says nothing of the secret (CVE-2023-25000).
 */

/** Addition and subtraction. */
export const add = (a: number, b: number): number => a ^ b;

/** Russian peasant multiplication with masks in place of branches. */
export function multiply(a: number, b: number): number {
  let product = 0;
  let factor = a;
  for (let bit = 0; bit < 8; bit++) {
    product ^= factor & -((b >> bit) & 1);
    factor = (factor << 1) ^ (0x11b & -(factor >> 7));
  }
  return product & 0xff;
}

/** a^254, the inverse of all but 0, by a fixed chain of multiplications. */
export function inverse(a: number): number {
  const a2 = multiply(a, a);
  const a3 = multiply(a2, a);
  const a6 = multiply(a3, a3);
  const a12 = multiply(a6, a6);
  const a15 = multiply(a12, a3);
  const a30 = multiply(a15, a15);
  const a60 = multiply(a30, a30);
  const a120 = multiply(a60, a60);
  const a126 = multiply(a120, a6);
  const a127 = multiply(a126, a);
  return multiply(a127, a127);
}
