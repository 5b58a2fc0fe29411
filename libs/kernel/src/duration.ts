const UNIT_NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
const NANOSECONDS_PER_SECOND = 1_000_000_000n;
/** Go counts nanoseconds in 64 bits: 292 years. */
const NANOSECONDS_MAX = 2n ** 63n - 1n;
/** The longest duration there is, in seconds. */
export const DURATION_SECONDS_MAX = Number(NANOSECONDS_MAX / NANOSECONDS_PER_SECOND);
/** More digits than these cannot be in range, or do not count. */
const DIGITS_MAX = 19;

/**
 * Reads a duration as Vault does (`ParseDurationSecond` of hashicorp/go-secure-stdlib): Go's form ("1h30m", "1.5h",
 * "-5m"), whole days alone ("30d"), or whole seconds ("3600"). Fractions of a second are dropped. "" is 0.
 *
 * @returns seconds, or undefined if the text is no duration or is longer than 292 years
 */
export function parseDurationSeconds(text: string): number | undefined {
  if (text === '') return 0;
  const [, sign = '', rest = ''] = /^([+-]?)(.+)$/s.exec(text) ?? [];
  const nanoseconds = /^\d+d?$/.test(rest) ? wholeNumber(rest) : goDuration(rest);
  if (nanoseconds === undefined || nanoseconds > NANOSECONDS_MAX) return undefined;
  const seconds = Number(nanoseconds / NANOSECONDS_PER_SECOND);
  return sign === '-' && seconds !== 0 ? -seconds : seconds;
}

/** Seconds, or days if a "d" follows. */
function wholeNumber(text: string): bigint | undefined {
  const unit = text.endsWith('d') ? 'd' : 's';
  return part(text.replace('d', ''), '', unit);
}

function goDuration(text: string): bigint | undefined {
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const nanoseconds = part(whole, fraction, unit);
    if (nanoseconds === undefined) return undefined;
    sum += nanoseconds;
  }
  return sum;
}

/** @returns nanoseconds, or undefined where so many digits cannot be in range */
function part(whole: string, fraction: string, unit: string): bigint | undefined {
  const digits = whole.replace(/^0+/, '');
  if (digits.length > DIGITS_MAX) return undefined;
  const unitNanoseconds = UNIT_NANOSECONDS[unit] ?? 0n;
  const counted = fraction.slice(0, DIGITS_MAX);
  const small = (BigInt(`0${counted}`) * unitNanoseconds) / 10n ** BigInt(counted.length);
  return BigInt(`0${digits}`) * unitNanoseconds + small;
}

/** Writes whole seconds as Go prints durations: 5400 → "1h30m0s", 0 → "0s". */
export function formatDuration(seconds: number): string {
  const sign = seconds < 0 ? '-' : '';
  const total = Math.abs(Math.trunc(seconds));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const head = hours > 0 ? `${String(hours)}h${String(minutes)}m` : minutes > 0 ? `${String(minutes)}m` : '';
  return `${sign}${head}${String(total % 60)}s`;
}
