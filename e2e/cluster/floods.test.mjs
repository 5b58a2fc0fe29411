/** The cluster port is flooded, by anybody and by a peer that has a member's key: the cluster goes on, and memory is bounded. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../cluster.mjs';
import { flood, FLOODS, FLOOD_SETTINGS, prepare } from '../floods.mjs';

const SECONDS = Number(process.env.COFFER_FLOOD_SECONDS ?? 1.5);
const restMs = 500;
/** What a flood may cost beyond what the node had, in MiB: far below what was sent or opened without bounds. */
const MEMORY_MAX = 512;
/** Connections at a time; of unknown ones and of nodes (libs/cluster/src/transport/transport-options.ts). */
const CONNECTIONS_MAX = 300;

describe('a flooded cluster port', () => {
  let cluster;
  let place;
  before(async () => {
    // A slow machine must not change the leader by itself.
    cluster = await Cluster.start({
      nodes: 3,
      settings: FLOOD_SETTINGS,
      storageLines: () => '  performance_multiplier = 10\n',
    });
    place = await prepare(cluster);
  });
  after(() => cluster?.stop());

  for (const kind of FLOODS) {
    it(`bears ${kind.what}`, async () => {
      const found = await flood(place, kind, { seconds: SECONDS, restMs });
      assert.deepEqual(found.failures, []);
      assert.ok(found.writes > 0, 'writes go on');
      assert.ok(found.sameLeader, 'the leader stays');
      assert.ok(found.peak - found.before < MEMORY_MAX, `${found.before} MiB before, ${found.peak} MiB at most`);
      assert.ok(found.connectionsMax < CONNECTIONS_MAX, `${found.connectionsMax} connections`);
      assert.ok(found.left < 20, `${found.left} connections are left`);
    });
  }

  it('lets a node in that comes back meanwhile', async () => {
    const [, unfinished] = FLOODS;
    const found = await flood(place, unfinished, {
      seconds: 3 + SECONDS,
      restMs,
      meanwhile: async () => {
        await cluster.kill(place.rogue);
        await cluster.restart(place.rogue);
        await cluster.ready();
      },
    });
    assert.deepEqual(found.failures, []);
    assert.ok(found.sameLeader);
  });
});
