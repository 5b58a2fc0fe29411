import { assertNever } from '@coffer/kernel';
import type { Entry } from './message.ts';

/** What an entry costs beside its contents, in bytes: kind, term, index and lengths, rounded up. */
const ENTRY_OVERHEAD_BYTES = 16;
const STEP_BYTES = 8;

/** What an entry counts against `appendBytesMax` and `uncommittedBytesMax`, in bytes. */
export function entryBytes(entry: Entry): number {
  switch (entry.kind) {
    case 'data':
      return ENTRY_OVERHEAD_BYTES + entry.data.length;
    case 'empty':
      return ENTRY_OVERHEAD_BYTES;
    case 'membership':
      return entry.change.kind === 'leave'
        ? ENTRY_OVERHEAD_BYTES
        : ENTRY_OVERHEAD_BYTES + entry.change.steps.length * STEP_BYTES + entry.change.context.length;
    default:
      return assertNever(entry, 'log entry');
  }
}
