/**
 * A process that opens a node in the folder given and restores one state after the other, each with the same keys and
 * another value, and prints which before it goes on. It is killed at any instant; then the state must be one of these.
 */
import { NO_MEMBERS } from '../disk/members.ts';
import { encodeSnapshot, type SnapshotRecord } from '../disk/snapshot.codec.ts';
import { openDoomedNode } from './doomed-node.fixture.ts';

const [, , path, round] = process.argv as [string, string, string, string];
const node = await openDoomedNode(path);

const header = { clusterId: 'elsewhere', index: 9, term: 2, leaderTerm: 2, members: NO_MEMBERS };

async function* pages(value: string): AsyncGenerator<readonly SnapshotRecord[]> {
  for (let page = 0; page < 20; page++) {
    const key = (at: number): string => `k/${String(page).padStart(2, '0')}/${String(at).padStart(2, '0')}`;
    yield Array.from({ length: 20 }, (_, at) => [key(at), Buffer.alloc(2000, value)]);
  }
}

for (let at = 0; ; at++) {
  const value = `<${round}:${String(at)}>`;
  await node.restore(() => encodeSnapshot(header, pages(value)), []);
  process.stdout.write(`${value}\n`);
}
