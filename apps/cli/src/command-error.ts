import { ApiError, ConnectionError } from '@coffer/api-client';

/** A failure with its own exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: number;

  constructor(message: string, code = 2) {
    super(message);
    this.code = code;
  }
}

/** Puts what was tried before what went wrong: `Error listing policies: …`. */
export async function doing<T>(what: string, work: Promise<T>, code = 2): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failure(what, error, code);
  }
}

/** What `doing` throws for what was thrown to it; a defect as it is. */
export function failure(what: string, error: unknown, code = 2): unknown {
  return error instanceof ApiError || error instanceof ConnectionError
    ? new CommandError(`${what}: ${error.message}`, code)
    : error;
}
