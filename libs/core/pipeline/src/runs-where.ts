import type { Operation } from '@coffer/sdk';

/** Reads run anywhere, the rest where writes are ordered, unless the path says otherwise. */
export function runsWhere(
  declared: 'active' | 'any' | 'local' | undefined,
  operation: Operation,
): 'active' | 'any' | 'local' {
  return declared ?? (isRead(operation) ? 'any' : 'active');
}

const READS: ReadonlySet<Operation> = new Set<Operation>(['read', 'list', 'scan', 'help', 'head']);

/** Whether an operation changes nothing. */
export function isRead(operation: Operation): boolean {
  return READS.has(operation);
}
