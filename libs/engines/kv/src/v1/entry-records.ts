import { collection } from '@coffer/sdk';

/** What was written, as it is. */
export type Entry = Readonly<Record<string, unknown>>;

/** Version 1's entries, under a prefix that version 2 does not use, so that an upgrade can tell them apart. */
export const entryRecords = collection<Entry>('entries/');
