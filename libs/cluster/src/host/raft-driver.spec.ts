import { silentLog, systemClock } from '@coffer/kernel';
import type { Message, Raft, Ready } from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import { heartbeat } from '../transport/test-transport.fixture.ts';
import { RaftDriver } from './raft-driver.ts';
import type { DriverHooks } from './raft-driver.ts';

const READY: Ready = {
  entries: [],
  mustSync: true,
  earlyMessages: [],
  messages: [],
  committed: [],
  readStates: [],
};

/** A driver whose raft has something to be written, on a disk whose write ends when it is told to. */
function driverOnSlowDisk(): {
  readonly driver: RaftDriver;
  readonly heard: Message[];
  readonly writeEnds: () => void;
} {
  const heard: Message[] = [];
  let ready = true;
  const raft = {
    status: () => ({ role: 'follower', leader: 1, term: 1 }),
    hasReady: () => ready,
    ready: () => ((ready = false), READY),
    advance: () => undefined,
    step: (message: Message) => void heard.push(message),
  } as unknown as Raft;
  const write = Promise.withResolvers<void>();
  const disk = {
    behind: false,
    commit: () => write.promise,
    log: { count: 0, bytes: 0 },
  } as unknown as LevelDisk;
  const nothing = (): undefined => undefined;
  const hooks: DriverHooks = {
    propose: nothing,
    standing: nothing,
    applied: nothing,
    members: nothing,
    replaced: nothing,
    restored: nothing,
    readState: nothing,
    send: nothing,
    sendSnapshot: nothing,
    failed: nothing,
  };
  const driver = new RaftDriver({
    raft,
    disk,
    clock: systemClock,
    log: silentLog,
    hooks,
    limits: { entriesMax: 100, bytesMax: 1 << 20 },
    figures: { groups: 0, entries: 0, msTotal: 0, msMax: 0, msLast: 0, snapshotsInstalled: 0 },
  });
  return {
    driver,
    heard,
    writeEnds: () => {
      ready = true;
      write.resolve();
    },
  };
}

describe('a driver whose disk takes its time', () => {
  it('takes in so many messages meanwhile, and more when the write is done', async () => {
    const { driver, heard, writeEnds } = driverOnSlowDisk();
    driver.wake();
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (let round = 1; round <= 20_000; round++) driver.hear(heartbeat(2, 1, round));
    expect(heard).toHaveLength(16_384);
    writeEnds();
    await new Promise((resolve) => setTimeout(resolve, 10));
    driver.hear(heartbeat(2, 1, 20_001));
    expect(heard).toHaveLength(16_385);
    driver.halt();
  });
});
