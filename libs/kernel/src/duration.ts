const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
};

/**
 * Reads a duration as Vault does: Go's form ("1h30m", "1.5h", "-5m"), days ("30d"), or whole seconds ("3600").
 * Fractions of a second are dropped. "" is 0.
 *
 * @returns seconds, or undefined if the text is no duration
 */
export function parseDurationSeconds(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return 0;
  if (/^[+-]?\d+$/.test(trimmed)) return Number(trimmed);
  const [, sign = '', rest = ''] =
    /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d))+)$/.exec(trimmed) ?? [];
  if (rest === '') return undefined;
  let seconds = 0;
  for (const [, number = '', unit = ''] of rest.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)/g)) {
    seconds += Number(number) * (UNIT_SECONDS[unit] ?? 0);
  }
  const whole = Math.trunc(seconds + 1e-9);
  return sign === '-' ? -whole : whole;
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
