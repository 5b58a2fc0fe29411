import { BarrierError } from './barrier.ts';
import { SHARES_MAX } from './shamir/shamir.ts';

/** How the seal's key is split. */
export interface SealConfig {
  readonly type: 'shamir';
  readonly shares: number;
  readonly threshold: number;
}

/** @throws BarrierError `invalid-config`, saying which field and what was expected */
export function checkSealConfig(shares: number, threshold: number, pgpKeys: readonly string[] | undefined): SealConfig {
  const refuse = (text: string): BarrierError =>
    new BarrierError('invalid-config', `invalid seal configuration: ${text}`);
  if (!Number.isInteger(shares) || shares < 1) throw refuse('shares must be at least one');
  if (!Number.isInteger(threshold) || threshold < 1) throw refuse('threshold must be at least one');
  if (shares > 1 && threshold === 1) throw refuse('threshold must be greater than one for multiple shares');
  if (shares > SHARES_MAX) throw refuse(`shares must be less than ${String(SHARES_MAX + 1)}`);
  if (threshold > SHARES_MAX) throw refuse(`threshold must be less than ${String(SHARES_MAX + 1)}`);
  if (threshold > shares) throw refuse('threshold cannot be larger than shares');
  if (pgpKeys && pgpKeys.length > 0 && pgpKeys.length !== shares) {
    throw refuse(`incorrect number of PGP keys: ${String(pgpKeys.length)} were given for ${String(shares)} shares`);
  }
  return { type: 'shamir', shares, threshold };
}

export const encodeSealConfig = (config: SealConfig): Uint8Array => new TextEncoder().encode(JSON.stringify(config));

/** @throws BarrierError `corrupt` */
export function decodeSealConfig(bytes: Uint8Array): SealConfig {
  try {
    const { shares, threshold } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as SealConfig;
    return checkSealConfig(shares, threshold, undefined);
  } catch (cause) {
    throw new BarrierError('corrupt', 'the seal configuration cannot be read', { cause });
  }
}
