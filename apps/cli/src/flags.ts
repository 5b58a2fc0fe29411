/** One flag of a command. */
export interface FlagSpec {
  readonly name: string;
  readonly kind: 'bool' | 'text' | 'texts' | 'int' | 'duration' | 'map';
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
    return text === undefined ? undefined : /^(1|t|true)$/i.test(text);
  }

  int(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  map(name: string): Record<string, string> {
    return Object.fromEntries(
      this.texts(name).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    );
  }
}

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
    const spec = specs.find((candidate) => candidate.name === name || candidate.aliases?.includes(name));
    if (!spec) throw new UsageError(`flag provided but not defined: -${name}`);
    const value = given ?? (spec.kind === 'bool' ? 'true' : argv[++at]);
    if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
    checkValue(spec, name, value);
    const before = values.get(spec.name) ?? [];
    values.set(spec.name, spec.kind === 'texts' || spec.kind === 'map' ? [...before, value] : [value]);
  }
  return { flags: new FlagValues(values), args: argv.slice(at) };
}

/** Arguments that look like flags that came too late; `-` is standard input. */
export const trailingFlags = (args: readonly string[]): readonly string[] =>
  args.filter((arg) => arg.startsWith('-') && arg !== '-');

const DURATION = /^[+-]?(\d+|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d))+)$/;

function checkValue(spec: FlagSpec, name: string, value: string): void {
  const refuse = (reason: string): UsageError =>
    new UsageError(`invalid value "${value}" for flag -${name}: ${reason}`);
  switch (spec.kind) {
    case 'bool':
      if (!/^(1|0|t|f|true|false)$/i.test(value))
        throw new UsageError(`invalid boolean value "${value}" for -${name}: parse error`);
      return;
    case 'int':
      if (!/^[+-]?\d+$/.test(value)) throw refuse(`strconv.ParseInt: parsing "${value}": invalid syntax`);
      return;
    case 'duration':
      if (value !== 'system' && value !== '' && !DURATION.test(value))
        throw refuse(`time: invalid duration "${value}"`);
      return;
    case 'map':
      if (!value.includes('=')) throw refuse(`missing = in KV pair: "${value}"`);
      return;
    case 'text':
    case 'texts':
      return;
  }
}

/** A duration of a flag as Go writes it in JSON bodies ("1h0m0s"); plain numbers are seconds. */
export function durationText(text: string | undefined): string {
  if (text === undefined || text === '' || text === '0') return '0s';
  if (text === 'system') return 'system';
  const seconds = /^[+-]?\d+$/.test(text) ? Number(text) : secondsOf(text);
  const sign = seconds < 0 ? '-' : '';
  const total = Math.abs(seconds);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = Number((total % 60).toFixed(9));
  if (hours > 0) return `${sign}${String(hours)}h${String(minutes)}m${String(rest)}s`;
  return minutes > 0 ? `${sign}${String(minutes)}m${String(rest)}s` : `${sign}${String(rest)}s`;
}

const UNIT: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
};

function secondsOf(text: string): number {
  let seconds = 0;
  for (const [, number = '', unit = ''] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/g))
    seconds += Number(number) * (UNIT[unit] ?? 0);
  return text.startsWith('-') ? -seconds : seconds;
}
