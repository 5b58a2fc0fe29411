/** Levels in the order of their weight; `off` writes nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values beside a message. Never a secret: wrap those in `Secret`, which prints as `[secret]`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A structured logger with a dotted name (`core`, `storage.raft`, …). */
export interface Log {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger named `<this name>.<name>`. */
  named(name: string): Log;
}

const nothing = (): void => undefined;

/** A logger for tests that look at no log. */
export const silentLog: Log = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  named: () => silentLog,
};
