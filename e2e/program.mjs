/** Where the program is, and what every end-to-end test needs of the machine: a free port, a folder, time. */
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node that the program runs on (the workspace brings its own). */
export const node = join(root, 'node_modules/node/bin/node');

/** The command line; the build makes it. */
export const coffer = join(root, 'apps/cli/bin/coffer');

/** How a server is started: `[command, ...arguments]`, to be followed by flags of `server`. */
export const serverCommand = () => [coffer, 'server'];

/** @returns {Promise<number>} a port that nothing listens on at the moment, on the loopback address */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks again until the answer is truthy.
 *
 * @param {string} what names it in the error
 * @param {() => Promise<unknown>} attempt may throw: that counts as "not yet"
 * @throws Error with the last failure after `withinMs`
 */
export async function eventually(what, attempt, withinMs = 30_000, everyMs = 50) {
  const end = Date.now() + withinMs;
  let last;
  for (;;) {
    try {
      const found = await attempt();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`${what}: not within ${withinMs} ms${last ? ` (last: ${last.message})` : ''}`, { cause: last });
    await pause(everyMs);
  }
}
