/** One round: a plan of faults from a seed, clients on all nodes meanwhile, recovery, judgement. */
import { SeededRandom } from '../../libs/testing/dist/sim/seeded-random.js';
import { pause } from '../program.mjs';
import { Clients } from './clients.mjs';
import { dismissGuest, doFault } from './faults.mjs';
import { nowNs } from './clock.mjs';
import { History, judge, longestGapMs } from './history.mjs';
import { planRound, printPlan } from './plan.mjs';

/**
 * @param {object} options
 * @param {number} options.seed
 * @param {import('./chaos-cluster.mjs').ChaosCluster} options.cluster whole, and whole again afterwards
 * @param {{round: string, path: string, value: string}[]} options.ledger is added to
 * @param {ReturnType<typeof planRound>} options.plan in place of the seed's
 */
export async function runRound({
  seed,
  cluster,
  ledger,
  only,
  each,
  offers,
  roundMs,
  faults: count,
  staleReads,
  plan: given,
}) {
  const plan = given ?? planRound(seed, { roundMs, faults: count, only, each, offers });
  const history = new History();
  const random = new SeededRandom(seed).fork();
  const lines = [`round ${seed}`, printPlan(plan)];
  const problems = [];
  const clients = new Clients({
    name: `r${seed}`,
    nodes: () => cluster.serving(),
    token: cluster.token,
    history,
    random,
    ledger,
    staleReads,
  });
  const startedMs = performance.now();
  const startedNs = nowNs();
  const note = (what) => lines.push(`    +${Math.round(performance.now() - startedMs)} ms ${what}`);
  clients.start();
  const faults = plan.map(async (fault) => {
    await pause(fault.atMs);
    try {
      await doFault(fault, cluster, note, history);
    } catch (error) {
      problems.push(`${fault.kind} could not be done or undone: ${error.message}`);
    }
  });
  await Promise.all([...faults, pause(roundMs)]);
  const workedNs = nowNs();
  await recover(cluster, problems, note);
  await clients.stop();
  if (problems.length === 0 && history.restores.some(({ end }) => end === Infinity))
    await endRestores(cluster, problems, note);
  if (problems.length === 0) await clients.readAll();
  const { violations, undecided, checked } = judge(history);
  problems.push(...violations, ...cluster.incidents.splice(0));
  const reasons = [...history.reasons].sort((a, b) => b[1] - a[1]).slice(0, 4);
  lines.push(
    `  ${checked} operations checked: ${history.counts.ok} answered, ${history.counts.refused} refused, ${history.counts.unknown} unknown`,
    ...reasons.map(([reason, count]) => `    ${count} × ${reason.slice(0, 160)}`),
  );
  const remarks = cluster.remarks();
  if (remarks.length > 0)
    lines.push(`    ${remarks.length} remarks in the logs, the first: ${remarks[0].slice(0, 400)}`);
  const alone = plan.length === 1 && plan[0].kind === 'kill-leader';
  const gapMs = alone ? longestGapMs(history.goodWrites, startedNs + 300e6, workedNs) : undefined;
  if (gapMs !== undefined) lines.push(`  longest gap in good writes: ${Math.round(gapMs)} ms`);
  return { lines, problems, undecided, checked, counts: history.counts, operations: history.operations, gapMs };
}

/** Ends what still acts, and waits until the cluster is whole. */
async function recover(cluster, problems, note) {
  cluster.network.heal();
  for (const node of cluster.nodes) {
    node.wantUnsealed = true;
    cluster.thaw(node);
    cluster.revive(node);
  }
  try {
    if (cluster.guest.wantUp) await dismissGuest(cluster, note);
    await cluster.ready();
    note('whole again');
  } catch (error) {
    problems.push(`the cluster did not recover: ${error.message}`);
  }
}

/**
 * A restore whose answer was lost may still be under way: what the former leader left unfinished, the next one gives up.
 * So that what is read from here on stays.
 */
async function endRestores(cluster, problems, note) {
  try {
    const { status } = await cluster.request(await cluster.active(), 'PUT', 'sys/step-down', { timeoutMs: 15_000 });
    if (status !== 204) throw new Error(`sys/step-down answered ${status}`);
    await cluster.ready();
    note('no restore is under way any more');
  } catch (error) {
    problems.push(`the cluster did not change its leader: ${error.message}`);
  }
}
