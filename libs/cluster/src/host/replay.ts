import type { LevelDisk } from '../disk/level-disk.ts';
import { decodePayload } from '../disk/payload.codec.ts';

/** Entries are read in runs of about so many bytes. */
const RUN_BYTES = 4 << 20;

/**
 * Applies what is known to be committed and had not reached the state on disk when the process died, so that a sealed
 * node reads its own newest writes: everything up to the stored commit index and, where this node is the only voter, the
 * whole log. Stops before a change of members, which is raft's to apply.
 */
export async function replayLocally(disk: LevelDisk): Promise<void> {
  const { identity, log, members } = disk;
  const { voters, votersOutgoing } = members.membership;
  const alone = voters.length === 1 && voters[0] === identity?.peer && votersOutgoing.length === 0;
  const until = alone ? log.lastIndex() : Math.min(disk.hardState.commit, log.lastIndex());
  while (disk.applied < until) {
    for (const entry of log.entries(disk.applied + 1, until + 1, RUN_BYTES) ?? []) {
      const payload = entry.kind === 'data' ? decodePayload(entry.data) : undefined;
      if (entry.kind === 'membership' || payload?.kind === 'announce') {
        if (disk.behind) await disk.commit({ entries: [] });
        return;
      }
      if (payload?.kind === 'restore') disk.applyRestore(entry.index, entry.term, payload.step);
      else disk.apply(entry.index, entry.term, payload?.ops ?? []);
    }
    await disk.commit({ entries: [] });
  }
}
