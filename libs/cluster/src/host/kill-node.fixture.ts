/**
 * A process that opens a node in the folder given, writes as fast as it can, and prints each acknowledged write before
 * it goes on. It is killed at any instant; what it printed must be there when it is started again.
 */
import { openDoomedNode } from './doomed-node.fixture.ts';
import { epochOf } from './test-cluster.fixture.ts';

const [, , path, round] = process.argv as [string, string, string, string];
const node = await openDoomedNode(path);
await Promise.all(
  Array.from({ length: 20 }, async (_, writer) => {
    for (let at = 0; ; at++) {
      // Two keys at once: a write is there as a whole or not at all.
      const key = `${writer}/${round}/${at}`;
      const value = Buffer.alloc(200, key);
      await node.write({
        epoch: epochOf(node),
        ops: [
          { kind: 'put', key: `left/${key}`, value },
          { kind: 'put', key: `right/${key}`, value },
          { kind: 'put', key: `count/${writer}`, value: Buffer.from(`${round} ${at}`) },
        ],
      });
      process.stdout.write(`${key}\n`);
      if (at % 7 === 0) await node.list(`left/${writer}/`, { limit: 3 });
    }
  }),
);
