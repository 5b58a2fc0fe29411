/** How many nanoseconds each unit of Go's durations has. */
const NANOSECONDS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1000n],
  ['µs', 1000n],
  ['μs', 1000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);
const SECOND = 1_000_000_000n;
const LARGEST = 2n ** 63n - 1n;

/** A text that is no duration; the message is Go's. */
export class DurationError extends Error {
  override readonly name = 'DurationError';
}

const quoted = (text: string): string => JSON.stringify(text);

/**
 * A duration of the command line: Go's form ("1h30m", "1.5h"), whole seconds ("90"), or whole days ("3d").
 *
 * @returns nanoseconds
 * @throws DurationError in Go's words
 */
export function parseDuration(text: string): bigint {
  if (text === '') return 0n;
  if (/^[+-]?\d+$/.test(text)) return within(BigInt(text.replace(/^\+/, '')) * SECOND, text);
  if (text.endsWith('d')) {
    const days = text.slice(0, -1);
    if (!/^[+-]?\d+$/.test(days)) throw new DurationError(`strconv.ParseInt: parsing ${quoted(days)}: invalid syntax`);
    return within(BigInt(days.replace(/^\+/, '')) * 86_400n * SECOND, text);
  }
  const negative = text.startsWith('-');
  const total = sumOfParts(text.replace(/^[+-]/, ''), text);
  return within(negative ? -total : total, text);
}

function sumOfParts(unsigned: string, whole: string): bigint {
  const invalid = (): DurationError => new DurationError(`time: invalid duration ${quoted(whole)}`);
  if (unsigned === '') throw invalid();
  let rest = unsigned;
  let total = 0n;
  while (rest !== '') {
    const [part = '', integer = '', , fraction = '', unit = ''] = /^(\d*)(\.(\d*))?([^\d.]*)/.exec(rest) ?? [];
    if (integer === '' && fraction === '') throw invalid();
    if (unit === '') throw new DurationError(`time: missing unit in duration ${quoted(whole)}`);
    const scale = NANOSECONDS.get(unit);
    if (scale === undefined) throw new DurationError(`time: unknown unit ${quoted(unit)} in duration ${quoted(whole)}`);
    total += BigInt(integer || '0') * scale;
    if (fraction !== '') total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
    rest = rest.slice(part.length);
  }
  return total;
}

function within(nanoseconds: bigint, text: string): bigint {
  if (nanoseconds > LARGEST || nanoseconds < -LARGEST)
    throw new DurationError(`time: invalid duration ${quoted(text)}`);
  return nanoseconds;
}

/** As Go writes a duration: "1h0m0s", "1.5s", "500ms", "0s". */
export function durationString(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s';
  const sign = nanoseconds < 0n ? '-' : '';
  const total = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (total < SECOND) {
    const [unit, scale] = total < 1000n ? ['ns', 1n] : total < 1_000_000n ? ['µs', 1000n] : ['ms', 1_000_000n];
    return `${sign}${decimal(total, scale as bigint)}${unit as string}`;
  }
  const minutes = total / (60n * SECOND);
  const seconds = decimal(total % (60n * SECOND), SECOND);
  if (minutes === 0n) return `${sign}${seconds}s`;
  const hours = minutes / 60n;
  return hours === 0n
    ? `${sign}${String(minutes)}m${seconds}s`
    : `${sign}${String(hours)}h${String(minutes % 60n)}m${seconds}s`;
}

function decimal(value: bigint, scale: bigint): string {
  const digits = String(scale).length - 1;
  const fraction = String(value % scale)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return `${String(value / scale)}${digits === 0 || fraction === '' ? '' : `.${fraction}`}`;
}

/** Whole seconds; less than one is none. */
export const wholeSeconds = (nanoseconds: bigint): number => (nanoseconds < SECOND ? 0 : Number(nanoseconds / SECOND));
