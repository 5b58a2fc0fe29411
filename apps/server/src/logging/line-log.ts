import { inspect } from 'node:util';
import { LOG_LEVELS, Secret } from '@coffer/kernel';
import type { Clock, Log, LogFields, LogLevel } from '@coffer/kernel';

/** How lines look: for people, or one JSON object each. */
export type LogFormat = 'standard' | 'json';

/** Where lines go; ends with the line end already. */
export type LineSink = (line: string) => void;

const WEIGHT = new Map<LogLevel, number>(LOG_LEVELS.map((level, index) => [level, index]));

/**
 * Levels of all loggers of a process, by dotted name; a logger without a level of its own takes that of the nearest
 * name above it. Changed by `sys/loggers` and SIGHUP while running.
 */
export class LogLevels {
  #fallback: LogLevel;
  readonly #own = new Map<string, LogLevel>();
  readonly #known = new Set<string>();

  constructor(fallback: LogLevel) {
    this.#fallback = fallback;
  }

  know(name: string): void {
    this.#known.add(name);
  }

  of(name: string): LogLevel {
    for (let at = name; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
      const level = this.#own.get(at);
      if (level) return level;
    }
    return this.#fallback;
  }

  all(): ReadonlyMap<string, LogLevel> {
    return new Map([...this.#known].sort().map((name) => [name, this.of(name)]));
  }

  /** @returns false if there is no logger of that name */
  set(name: string | undefined, level: LogLevel): boolean {
    if (name === undefined) {
      this.#own.clear();
      this.#fallback = level;
      return true;
    }
    if (!this.#known.has(name)) return false;
    this.#own.set(name, level);
    return true;
  }

  /** Back to the level of the names above. */
  reset(name: string | undefined, fallback: LogLevel): boolean {
    if (name === undefined) return this.set(undefined, fallback);
    return this.#known.has(name) && (this.#own.delete(name) || true);
  }
}

/** Writes structured lines. The nameless logger is the root of all names. */
export class LineLog implements Log {
  readonly #name: string;
  readonly #context: {
    readonly levels: LogLevels;
    readonly clock: Clock;
    readonly format: LogFormat;
    readonly sink: LineSink;
  };

  constructor(
    name: string,
    context: { readonly levels: LogLevels; readonly clock: Clock; readonly format: LogFormat; readonly sink: LineSink },
  ) {
    this.#name = name;
    this.#context = context;
    if (name !== '') context.levels.know(name);
  }

  trace(message: string, fields?: LogFields): void {
    this.#write('trace', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  named(name: string): Log {
    return new LineLog(this.#name === '' ? name : `${this.#name}.${name}`, this.#context);
  }

  #write(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { levels, clock, format, sink } = this.#context;
    if ((WEIGHT.get(level) ?? 0) < (WEIGHT.get(levels.of(this.#name)) ?? 0)) return;
    const time = new Date(clock.nowMs()).toISOString();
    if (format === 'json') {
      const line = {
        '@level': level,
        '@message': message,
        ...(this.#name === '' ? {} : { '@module': this.#name }),
        '@timestamp': time,
        ...plain(fields),
      };
      sink(`${JSON.stringify(line)}\n`);
      return;
    }
    const pairs = Object.entries(plain(fields)).map(
      ([key, value]) => ` ${key}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`,
    );
    sink(
      `${time} [${level.toUpperCase()}]${level.length === 4 ? ' ' : ''} ${this.#name === '' ? '' : `${this.#name}: `}${message}${pairs.length > 0 ? `:${pairs.join('')}` : ''}\n`,
    );
  }
}

/** Control characters must not break lines or terminals. */
const quoted = (text: string): string =>
  /^[\x21-\x7e]+$/.test(text) && !text.includes('"') ? text : JSON.stringify(text);

/** Errors by their messages and causes, secrets not at all, everything else as JSON would have it. */
function plain(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, shown(value)]])),
  );
}

function shown(value: unknown): unknown {
  if (value instanceof Error) return errorText(value);
  if (value instanceof Secret) return String(value);
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'object' && value !== null ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}

function errorText(error: Error): string {
  const cause = error.cause instanceof Error ? ` (${errorText(error.cause)})` : '';
  const code = 'code' in error ? ` [${inspect(error.code)}]` : '';
  return `${error.name}${code}: ${error.message}${cause}`;
}
