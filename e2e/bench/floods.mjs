/**
 * What a node's memory does while its cluster port is flooded, by anybody and by a peer with a member's key.
 * `node e2e/bench/floods.mjs [seconds] [kind]`: of each flood, or of one of `FLOODS`.
 */
import { Cluster } from '../cluster.mjs';
import { flood, FLOODS, FLOOD_SETTINGS, prepare } from '../floods.mjs';

const seconds = Number(process.argv[2] ?? 20);
const only = process.argv[3];
const cluster = await Cluster.start({
  nodes: 3,
  settings: FLOOD_SETTINGS,
  storageLines: () => '  performance_multiplier = 10\n',
});
const rows = [];
try {
  const place = await prepare(cluster);
  for (const kind of FLOODS) {
    if (only !== undefined && kind.kind !== only) continue;
    const row = await flood(place, kind, { seconds });
    rows.push({ ...row, failures: row.failures.length });
    console.log(JSON.stringify(row));
  }
} finally {
  await cluster.stop();
}
console.table(rows);
