import { StorageError } from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';

/**
 * SQLSTATE (PostgreSQL, appendix A): the server goes down or comes up, has no room, asks to try again, or became a replica
 * while its successor is elsewhere. A pooler that came in between knows nothing of prepared statements (26000, 42P05).
 */
const PASSING = /^(08...|57P0[1-5]|53300|57014|40001|40P01|55P03|25P0[123]|25006|26000|42P05)$/;

/** What the driver says of a failure. */
interface Failure {
  readonly code?: unknown;
  readonly message?: unknown;
  /** Only what the server says has one: codes of this machine may look like an SQLSTATE (`EPIPE`). */
  readonly severity?: unknown;
}

/** `Unreachable` where a statement may have taken effect, or is worth another try; `StorageError` where it was refused. */
export function failureOf(error: unknown): Unreachable | StorageError {
  const { code, message, severity } = error as Failure;
  const text = typeof message === 'string' && message !== '' ? message : String(code ?? 'no answer');
  if (typeof code !== 'string' || typeof severity !== 'string' || PASSING.test(code))
    return new Unreachable(text, { cause: error });
  // Messages of the server name tables and rights, and no values: those are parameters.
  return new StorageError('disk', `the database refused (SQLSTATE ${code}): ${text}`, { cause: error });
}
