import { ELECTION_BUGS } from './election-bugs.ts';
import { MEMBERSHIP_BUGS } from './membership-bugs.ts';
import type { PlantedBug } from './planted-bug.ts';
import { READ_BUGS } from './read-bugs.ts';
import { REPLICATION_BUGS } from './replication-bugs.ts';
import { STORAGE_BUGS } from './storage-bugs.ts';

/** Each must be found; see the spec, and `docs/raft-history.md` for what they were. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...ELECTION_BUGS,
  ...REPLICATION_BUGS,
  ...READ_BUGS,
  ...MEMBERSHIP_BUGS,
  ...STORAGE_BUGS,
];
