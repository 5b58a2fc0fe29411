import type { Clock, Log } from '@coffer/kernel';

/** A type of audit device. */
export interface AuditDeviceType {
  readonly help: { readonly synopsis: string; readonly description: string };
  /** @throws RequestError for options that do not fit */
  open(
    options: Readonly<Record<string, string>>,
    context: { readonly clock: Clock; readonly log: Log },
  ): Promise<AuditDevice>;
}

/** Takes lines. Formatting and HMACs are the core's. */
export interface AuditDevice {
  /** Writes one line (without the line end); resolves when the device has it. Rejects if it cannot. */
  write(line: string): Promise<void>;
  /** SIGHUP: log rotation. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}
