import type { Clock, Log } from '@coffer/kernel';
import type { Pipeline } from '@coffer/core-pipeline';
import type { Listener } from '@coffer/gateway';
import type { CofferNode } from '../node/coffer-node.ts';

/** How long clients are told to go elsewhere while the node still serves them, in milliseconds. */
const SEND_AWAY_MS = 1000;
/** How long requests under way may take once nothing new is accepted, in milliseconds. */
const GRACE_MS = 5000;
/** How often it is looked whether they are done. */
const LOOK_MS = 10;

export interface EndingParts {
  readonly node: CofferNode;
  readonly pipeline: Pipeline;
  readonly listeners: readonly Listener[];
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends a node so that no client notices but by a `connection: close`: another node leads first; this one goes on as a
 * standby, its health says that it is about to end, and each answer is the last on its connection; then nothing new is
 * accepted, and what is under way, other nodes' requests included, is finished before the node leaves the cluster.
 */
export async function endGracefully({ node, pipeline, listeners, clock, log }: EndingParts): Promise<void> {
  const elsewhere = await handOver(node, log);
  // Without another node there is nowhere to go: to wait would only make the end longer.
  if (elsewhere) await Promise.all(listeners.map((listener) => listener.sendAway(SEND_AWAY_MS)));
  await Promise.all(listeners.map((listener) => listener.close(GRACE_MS)));
  const giveUpMs = clock.monotonicMs() + GRACE_MS;
  while (pipeline.requestsInFlight().size > 0 && clock.monotonicMs() < giveUpMs)
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
  if (pipeline.requestsInFlight().size > 0)
    log.warn('requests did not end in time and are given up', { count: pipeline.requestsInFlight().size });
  await node.close();
}

/** A node that cannot hand over ends all the same: the others elect one among them. */
async function handOver(node: CofferNode, log: Log): Promise<boolean> {
  try {
    return await node.handOver();
  } catch (error) {
    log.warn('handing over failed', { error });
    return true;
  }
}
