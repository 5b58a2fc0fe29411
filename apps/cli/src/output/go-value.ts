import { exactNumber } from '@coffer/api-client';

/** A value as Go's fmt prints it with %v: `map[a:1 b:2]`, `[a b]`, `<nil>`. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  const exact = exactNumber(value);
  if (exact !== undefined) return exact;
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`;
  if (typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, inner]) => `${key}:${goValue(inner)}`).join(' ')}]`;
  }
  return String(value);
}

/** A list of texts as Go prints it with %q. */
export const quotedList = (items: readonly string[] | null | undefined): string =>
  `[${(items ?? []).map((item) => JSON.stringify(item)).join(' ')}]`;

/** Seconds as people read them: 5400 → "1h30m", 0 → "0s". */
export function humanDuration(seconds: number): string {
  if (seconds === 0) return '0s';
  const sign = seconds < 0 ? '-' : '';
  const total = Math.abs(seconds);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = total % 60;
  return (
    sign +
    (hours > 0 ? `${String(hours)}h` : '') +
    (minutes > 0 || (hours > 0 && rest > 0) ? `${String(minutes)}m` : '') +
    (rest > 0 ? `${String(rest)}s` : '')
  );
}

/** Whether numbers under a key are seconds. */
export const looksLikeDuration = (key: string): boolean => /(^|_)(period|ttl|duration)$|^(lease|ttl)_max$/.test(key);
