import { DurationError, durationString, parseDuration, wholeSeconds } from './go-duration.ts';

/** One flag of a command. */
export interface FlagSpec {
  readonly name: string;
  readonly kind: 'bool' | 'text' | 'texts' | 'int' | 'uint' | 'duration' | 'map';
  /** What stands for the value in help, as `<string>`. */
  readonly value?: string;
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly hidden?: boolean;
}

/** A mistake on the command line; exit code 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Values of flags by name. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  bool(name: string): boolean {
    return this.boolOr(name) ?? false;
  }

  boolOr(name: string): boolean | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : TRUE.includes(text);
  }

  int(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  /** Nanoseconds; "system" is below zero. */
  duration(name: string): bigint | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : nanosecondsOf(text);
  }

  /** Whole seconds; 0 where it was not given. */
  seconds(name: string): number {
    return wholeSeconds(this.duration(name) ?? 0n);
  }

  map(name: string): Record<string, string> {
    const pairs = this.texts(name).map(
      (pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const,
    );
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  }
}

/** What Go reads as a truth. */
const TRUE: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** A truth as Go reads it from flags and the environment; undefined where it is none. */
export const truthOf = (text: string): boolean | undefined =>
  TRUE.includes(text) ? true : FALSE.includes(text) ? false : undefined;

/**
 * Reads flags as Go's package does: `-x`, `--x`, `-x=y`, `-x y`, up to the first argument that is none, or `--`.
 *
 * @throws UsageError in Go's words
 */
export function parseFlags(
  argv: readonly string[],
  specs: readonly FlagSpec[],
): { readonly flags: FlagValues; readonly args: readonly string[] } {
  const values = new Map<string, string[]>();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === '--') {
      at++;
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    const [, name = '', given] = /^--?([^=]*)(?:=([^]*))?$/.exec(word) ?? [];
    if (name === '' || name.startsWith('-')) throw new UsageError(`bad flag syntax: ${word}`);
    const spec = specs.find((candidate) => candidate.name === name || candidate.aliases?.includes(name));
    if (!spec) throw new UsageError(`flag provided but not defined: -${name}`);
    const value = given ?? (spec.kind === 'bool' ? 'true' : argv[++at]);
    if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
    checkValue(spec, name, value);
    const before = values.get(spec.name) ?? [];
    values.set(
      spec.name,
      spec.kind === 'texts' ? [...before, value.trim()] : spec.kind === 'map' ? [...before, value] : [value],
    );
  }
  return { flags: new FlagValues(values), args: argv.slice(at) };
}

/** Flags that are looked for among all words, wherever they stand. */
const EVERYWHERE: readonly string[] = ['output-curl-string', 'output-policy', 'format', 'detailed'];

/** Arguments that look like flags that came too late; `-` is standard input. */
export const trailingFlags = (args: readonly string[]): readonly string[] =>
  args.filter(
    (arg) => arg.startsWith('-') && arg !== '-' && !EVERYWHERE.includes(arg.replace(/^-+/, '').replace(/=.*$/s, '')),
  );

const LARGEST_INT = 2n ** 63n - 1n;

function checkValue(spec: FlagSpec, name: string, value: string): void {
  const refuse = (reason: string): UsageError =>
    new UsageError(`invalid value "${value}" for flag -${name}: ${reason}`);
  switch (spec.kind) {
    case 'bool':
      if (truthOf(value) === undefined)
        throw new UsageError(
          `invalid boolean value "${value}" for -${name}: strconv.ParseBool: parsing "${value}": invalid syntax`,
        );
      return;
    case 'int':
    case 'uint': {
      const parser = spec.kind === 'int' ? 'strconv.ParseInt' : 'strconv.ParseUint';
      // Vault's clients take an int without a value for 0.
      if (value === '' && spec.kind === 'int') return;
      if (!(spec.kind === 'int' ? /^[+-]?\d+$/ : /^\d+$/).test(value))
        throw refuse(`${parser}: parsing "${value}": invalid syntax`);
      const number = BigInt(value.replace(/^\+/, ''));
      if (number > LARGEST_INT || number < -LARGEST_INT - 1n)
        throw refuse(`${parser}: parsing "${value}": value out of range`);
      return;
    }
    case 'duration':
      try {
        nanosecondsOf(value);
      } catch (error) {
        if (!(error instanceof DurationError)) throw error;
        throw refuse(error.message);
      }
      return;
    case 'map':
      if (!value.includes('=')) throw refuse(`missing = in KV pair: "${value}"`);
      return;
    case 'text':
    case 'texts':
      return;
  }
}

/** "system" stands for what the server has as a default: below zero. */
const nanosecondsOf = (text: string): bigint => (text === 'system' ? -1_000_000_000n : parseDuration(text));

/** A duration of a flag as Go writes it in JSON bodies ("1h0m0s"); plain numbers are seconds. */
export const durationText = (text: string | undefined): string =>
  text === 'system' ? 'system' : durationString(nanosecondsOf(text ?? ''));

/** A duration of a flag for a setting that stays if it is 0 (''), and falls back to the server's below 0 ("system"). */
export function settingText(nanoseconds: bigint | undefined): string {
  if (nanoseconds === undefined || nanoseconds === 0n) return '';
  return nanoseconds < 0n ? 'system' : durationString(nanoseconds);
}
