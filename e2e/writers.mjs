/** Clients that write what is then to be there. */
import assert from 'node:assert/strict';
import { pause } from './program.mjs';

/**
 * Writes to `kv/<name>-<count>`, through nodes in turn, until told to stop; what was acknowledged is in `acknowledged`.
 *
 * @param {object} options
 * @param {number} options.bytes of padding in each value
 * @param {number} options.pauseMs after each write; after one that failed it is 10 at least
 * @param {number} options.timeoutMs for one write
 */
export function writer(cluster, nodes, name, { bytes = 2000, pauseMs = 0, timeoutMs = 4000 } = {}) {
  const acknowledged = [];
  const padding = 'x'.repeat(bytes);
  let stopped = false;
  const done = (async () => {
    for (let count = 0; !stopped; count++) {
      const path = `kv/${name}-${count}`;
      const node = nodes[count % nodes.length];
      const answer = await cluster
        .request(node, 'PUT', path, { body: { path, padding }, timeoutMs })
        .catch(() => undefined);
      const written = answer?.status === 204;
      if (written) acknowledged.push(path);
      const restMs = written ? pauseMs : Math.max(pauseMs, 10);
      if (restMs > 0) await pause(restMs);
    }
  })();
  return {
    acknowledged,
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

/** That all these are there, each asked of one of the nodes, in turn. */
export async function mustHold(cluster, nodes, paths) {
  for (let at = 0; at < paths.length; at += 50) {
    const some = paths.slice(at, at + 50).map((path, index) => ({ path, node: nodes[index % nodes.length] }));
    const answers = await Promise.all(some.map(({ path, node }) => cluster.request(node, 'GET', path)));
    for (const [index, { status, body }] of answers.entries()) {
      const { path, node } = some[index];
      assert.equal(status, 200, `${path} is missing on ${node.id}`);
      assert.equal(body.data.path, path);
    }
  }
}
