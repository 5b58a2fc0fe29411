const NUMBERS = String.raw`\d{1,9}(?:\.\d{1,9}){0,3}`;
const LABELS = String.raw`[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*`;
const VERSION = new RegExp(`^v?(${NUMBERS})(?:-(${LABELS}))?(?:\\+(${LABELS}))?$`);
const VERSION_LENGTH_MAX = 128;

/** Whether a text is a version as https://semver.org has it; one to four numbers and a `v` in front are let pass. */
export function isVersion(text: string): boolean {
  return text.length <= VERSION_LENGTH_MAX && VERSION.test(text);
}

/**
 * Below 0 where `a` is older than `b`, 0 where neither is. As semantic versioning orders them (section 11); where that
 * makes no difference, what is behind a plus decides in the same way: `1.2.0+program.3` is older than `1.2.0+program.4`.
 * What is no version is older than all that are.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  return (
    compareLists(left.numbers, right.numbers, (number) => Number(number ?? 0)) ||
    // A version before its release is older than the release.
    Number(left.labels.length === 0) - Number(right.labels.length === 0) ||
    compareLists(left.labels, right.labels) ||
    compareLists(left.build, right.build)
  );
}

interface Parts {
  readonly numbers: readonly string[];
  readonly labels: readonly string[];
  readonly build: readonly string[];
}

function partsOf(text: string): Parts | undefined {
  const found = isVersion(text) ? VERSION.exec(text) : null;
  if (found === null) return undefined;
  const listOf = (part: string | undefined): readonly string[] => part?.split('.') ?? [];
  return { numbers: listOf(found[1]), labels: listOf(found[2]), build: listOf(found[3]) };
}

/** Part by part; a list that ends first is older, unless `valueOf` has a number for what is missing. */
function compareLists(
  left: readonly string[],
  right: readonly string[],
  valueOf?: (part: string | undefined) => number,
): number {
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [a, b] = [left[at], right[at]];
    const difference = valueOf === undefined ? comparePart(a, b) : valueOf(a) - valueOf(b);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numbers by size and before texts; texts by their characters. */
function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumberA && isNumberB) return Number(a) - Number(b);
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
