import type { MachineState } from '../register-machine.ts';
import { DiskImage, SimDisk } from '../sim-disk.ts';
import type { Batch } from '../sim-disk.ts';
import type { Decorate } from './decorated.ts';
import { crowded, manySnapshots } from './plans.ts';
import { around, within } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Says yes before it is on the disk. */
const earlyAnswer: Decorate = (inner) => ({
  ready() {
    const ready = inner.ready();
    return { ...ready, earlyMessages: [...ready.earlyMessages, ...ready.messages], messages: [] };
  },
});

class LyingDisk extends SimDisk {
  override complete(batch: Batch): void {
    super.complete(batch, false);
  }
}

type Install = NonNullable<Batch['install']>;

/** Drops with a snapshot what follows it, too. */
class ForgetfulImage extends DiskImage {
  override copy(): DiskImage {
    return new ForgetfulImage(this.hardState, this.machine, this.base, [...this.entries]);
  }

  protected override install({ index, term, machine }: Install): void {
    this.base = { index, term };
    this.entries = [];
    this.machine = machine;
  }
}

/** Keeps with a snapshot what follows it, though it is of another log. */
class ClingingImage extends DiskImage {
  override copy(): DiskImage {
    return new ClingingImage(this.hardState, this.machine, this.base, [...this.entries]);
  }

  protected override install({ index, term, machine }: Install): void {
    this.entries.splice(0, Math.max(0, index - this.base.index));
    this.base = { index, term };
    this.machine = machine;
  }
}

/** Remembers after a crash that all was applied, but not all of what that changed. */
class TornDisk extends SimDisk {
  readonly #machines: MachineState[] = [];

  override complete(batch: Batch, synced: boolean): void {
    super.complete(batch, synced);
    if (batch.machine !== undefined) this.#machines.push(batch.machine);
  }

  override crash(surviving: number): DiskImage {
    const left = super.crash(surviving);
    const before = this.#machines.findLast(({ applied }) => applied < left.machine.applied);
    if (before !== undefined) left.machine = { ...left.machine, values: before.values };
    return left;
  }
}

/** What is on the disk, and what snapshots do to it. */
export const STORAGE_BUGS: readonly PlantedBug[] = [
  {
    name: 'a node answers before its disk has synced',
    sources: ['cloud-software-foundation/c5#263', 'yugabyte/yugabyte-db#32875', 'etcd-io/etcd#14143'],
    caughtBy: ['commit by quorum', 'leader completeness', 'one vote a term', 'monotonic term'],
    seed: 1,
    plant: around(earlyAnswer),
  },
  {
    name: 'a leader counts what is not on its own disk yet',
    sources: ['etcd-io/etcd#14370'],
    caughtBy: ['commit by quorum', 'leader completeness', 'state machine safety', 'assertion'],
    seed: 1,
    plant: within([
      {
        file: 'replication.ts',
        find: 'own.matched(core.log.stableIndex, core.now)',
        replace: 'own.matched(core.log.lastIndex, core.now)',
      },
      {
        file: 'raft-core.ts',
        find: '    for (const entry of entries) appendAsLeader(core, entry);\n',
        replace: '    for (const entry of entries) appendAsLeader(core, entry);\n    advanceOwnMatch(core);\n',
      },
    ]),
  },
  {
    name: 'the disk lies about its syncs',
    sources: ['etcd-io/etcd#6368', 'etcd-io/etcd#14143'],
    caughtBy: ['commit by quorum', 'leader completeness', 'one vote a term', 'monotonic term'],
    seed: 1,
    plant: (createRaft) => ({ createRaft, makeDisk: (contents) => new LyingDisk(contents) }),
  },
  {
    name: 'the applied index is saved without all that was applied',
    sources: ['etcd-io/etcd#13766', 'etcd-io/etcd#13854'],
    caughtBy: ['linearizability'],
    seed: 8,
    plant: (createRaft) => ({ createRaft, makeDisk: (contents) => new TornDisk(contents) }),
  },
  {
    name: 'a failed snapshot is awaited for ever',
    sources: ['etcd-io/etcd#10225', 'dgraph-io/dgraph#2707', 'hashicorp/raft#212', 'etcd-io/etcd#12695'],
    caughtBy: ['liveness'],
    seed: 1,
    plant: around(
      (inner) => ({
        reportSnapshot(peer, outcome) {
          if (outcome === 'sent') inner.reportSnapshot(peer, outcome);
        },
      }),
      manySnapshots,
    ),
  },
  {
    name: 'a snapshot drops the entries after it that were acknowledged',
    sources: ['RedisLabs/raft#49'],
    caughtBy: ['leader completeness', 'commit by quorum', 'assertion', 'state machine safety'],
    seed: 112,
    plant: async (createRaft) => ({
      ...(await within([
        {
          file: 'snapshots.ts',
          find: '  if (snapshot.index <= log.commit) {',
          replace: '  if (snapshot.index <= log.applied) {',
        },
        {
          file: 'snapshots.ts',
          find: '  if (log.matches(snapshot.index, snapshot.term)) {',
          replace: '  if (snapshot.index < 0) {',
        },
      ])(createRaft)),
      makeDisk: (contents) =>
        new SimDisk(new ForgetfulImage(contents.hardState, contents.machine, contents.base, contents.entries)),
      adjustPlan: (plan) => ({
        ...manySnapshots(plan),
        applyDelayMax: 1000,
        network: { ...plan.network, duplicatePerMille: 300, latePerMille: 100 },
      }),
    }),
  },
  {
    name: 'entries of another log outlive a snapshot',
    sources: ['scylladb/scylladb#9551', 'scylladb/scylladb#9965'],
    caughtBy: ['log matching', 'state machine safety', 'leader completeness', 'assertion', 'commit by quorum'],
    seed: 114,
    plant: (createRaft) => ({
      createRaft,
      makeDisk: (contents) =>
        new SimDisk(new ClingingImage(contents.hardState, contents.machine, contents.base, contents.entries)),
      adjustPlan: (plan) => ({ ...crowded(plan), compactAfter: 2, compactKeeps: 0 }),
    }),
  },
  {
    name: 'entries are applied to a state that a snapshot is about to replace',
    sources: ['atomix/atomix#418', 'RedisLabs/redisraft#45'],
    caughtBy: ['order of application', 'assertion', 'state machine safety'],
    seed: 229,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: 'return this.#core.log.hasCommitted && this.#core.pendingSnapshot === undefined;',
          replace: 'return this.#core.log.hasCommitted;',
        },
        { file: 'replication.ts', find: '  if (core.pendingSnapshot !== undefined) return;\n', replace: '' },
      ],
      manySnapshots,
    ),
  },
];
