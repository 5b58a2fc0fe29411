/**
 * What happens in a round, as data: made from the round's seed alone, so that the seed brings it back. Times are
 * milliseconds since the start of the round.
 */
import { SeededRandom } from '../../libs/testing/dist/sim/seeded-random.js';

/** Snapshots are Raft's; a second restore in a round is done by the first, so that it knows what it has. */
const RESTORE = { alone: 'restore', needs: 'members' };

/**
 * Every kind of fault: how often it is chosen among the others, for how long it lasts, and what the machine must offer
 * for it (`tmpfs`: root, to mount one; `strace`: to delay and fail calls of a process). `members` and `database` are not the
 * machine's: they tell faults of Raft's membership from those of a database that the nodes share. `besides` are other
 * faults of which one is done at or after the restore of a snapshot.
 */
export const FAULTS = {
  'kill-leader': { weight: 5, forMs: [50, 2500] },
  'kill-node': { weight: 3, forMs: [50, 2500] },
  'kill-two': { weight: 2, forMs: [50, 2000] },
  'kill-all': { weight: 1, forMs: [50, 1000] },
  'stop-gracefully': { weight: 2, forMs: [50, 1500] },
  'pause-leader': { weight: 4, forMs: [100, 5000] },
  'pause-node': { weight: 2, forMs: [100, 5000] },
  'slow-node': { weight: 2, forMs: [500, 4000] },
  'isolate-leader': { weight: 3, forMs: [300, 5000], link: true },
  'isolate-node': { weight: 2, forMs: [300, 5000], link: true },
  'deafen-leader': { weight: 2, forMs: [300, 5000], link: true },
  'mute-leader': { weight: 2, forMs: [300, 5000], link: true },
  'split-pair': { weight: 3, forMs: [300, 5000], link: true },
  'delay-links': { weight: 2, forMs: [500, 4000] },
  'reset-links': { weight: 2, forMs: [1, 1] },
  'reset-clients': { weight: 2, forMs: [1, 1] },
  'step-down': { weight: 4, forMs: [1, 1] },
  'seal-node': { weight: 2, forMs: [50, 1500] },
  'seal-leader': { weight: 2, forMs: [50, 1500] },
  'replace-node': { weight: 3, forMs: [1, 1], alone: 'membership', needs: 'members' },
  'replace-leader': { weight: 2, forMs: [1, 1], alone: 'membership', needs: 'members' },
  'demote-node': { weight: 2, forMs: [100, 2000], alone: 'membership', needs: 'members' },
  'wipe-node': { weight: 2, forMs: [50, 1500], alone: 'membership', needs: 'members' },
  'add-non-voter': { weight: 2, forMs: [500, 2500], alone: 'membership', needs: 'members' },
  'full-disk': { weight: 3, forMs: [500, 4000], needs: 'tmpfs' },
  'slow-disk': { weight: 2, forMs: [500, 4000], needs: 'strace' },
  'stuck-disk': { weight: 2, forMs: [1500, 4000], needs: 'strace' },
  'failing-disk': { weight: 2, forMs: [200, 2000], needs: 'strace' },
  restore: { weight: 2, forMs: [50, 1500], ...RESTORE, besides: ['nothing', 'step-down', 'pause-leader', 'kill-node'] },
  'restore-kill-leader': { weight: 2, forMs: [50, 1500], ...RESTORE, besides: ['kill-leader'] },
  'restore-kill-all': { weight: 2, forMs: [50, 1500], ...RESTORE, besides: ['kill-all'] },
  'restore-behind': {
    weight: 2,
    forMs: [300, 2000],
    ...RESTORE,
    link: true,
    besides: ['kill-node', 'pause-node', 'isolate-node'],
  },
  'restart-database': { weight: 3, forMs: [50, 2500], needs: 'database' },
  'kill-database': { weight: 3, forMs: [50, 2500], needs: 'database' },
  'pause-database': { weight: 3, forMs: [100, 5000], needs: 'database' },
};

/**
 * The plan of a round.
 *
 * @param {number} seed
 * @param {object} options
 * @param {number} options.roundMs how long clients work
 * @param {number | undefined} options.faults how many; one to three if left out
 * @param {string[]} options.only kinds to choose from; all if empty
 * @param {string[]} options.each kinds of which one is in every round
 * @param {Set<string>} options.offers what the machine offers
 * @returns {{atMs: number, forMs: number, kind: string, node: number, link?: string, delayMs?: number, restore?: object}[]}
 *   `restore`: `force` (whatever the keys), `besides` and at which time (`afterMs` from the start of the call; undefined: when
 *   it was acknowledged, 'switched': when the first node has switched over), `again` (which snapshot is restored once more: the same, a newer one, or none)
 */
export function planRound(seed, { roundMs, faults, only = [], each = [], offers }) {
  const random = new SeededRandom(seed);
  const kinds = Object.entries(FAULTS).filter(
    ([kind, { needs }]) =>
      (only.length === 0 || only.includes(kind) || each.includes(kind)) && (needs === undefined || offers.has(needs)),
  );
  if (kinds.length === 0) throw new Error(`no fault to choose from: ${only.join(', ')}`);
  const count = faults ?? random.pick([1, 1, 1, 2, 2, 3]);
  const plan = [];
  for (let made = 0; made < count; made++) {
    const taken = new Set(plan.map(({ kind }) => FAULTS[kind].alone).filter(Boolean));
    const choices = kinds.filter(
      ([kind, { alone }]) =>
        (alone === undefined || !taken.has(alone)) && (made > 0 || each.length === 0 || each.includes(kind)),
    );
    if (choices.length === 0) break;
    const [kind, { forMs, link, alone, besides }] = weighted(choices, random);
    const node = random.below(3);
    plan.push({
      atMs: random.between(400, Math.max(400, Math.floor(roundMs * 0.6))),
      forMs: random.between(...forMs),
      kind,
      node,
      ...(link ? { link: random.pick(['drop', 'drop', 'refuse']) } : {}),
      ...(kind === 'delay-links' || kind === 'slow-disk' ? { delayMs: random.between(5, 250) } : {}),
      ...(alone ? { other: random.below(2) } : {}),
      ...(besides ? { restore: drawRestore(besides, random) } : {}),
    });
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}

const drawRestore = (besides, random) => ({
  force: random.chance(300),
  besides: random.pick(besides),
  afterMs: random.pick([undefined, 'switched', 'switched', random.between(0, 100), random.between(0, 700)]),
  again: random.pick(['none', 'none', 'same', 'newer']),
});

function weighted(kinds, random) {
  let left = random.below(kinds.reduce((sum, [, { weight }]) => sum + weight, 0));
  for (const kind of kinds) {
    left -= kind[1].weight;
    if (left < 0) return kind;
  }
  throw new Error('the weights do not add up');
}

/** One line for each fault. */
export const printPlan = (plan) =>
  plan
    .map(
      ({ atMs, forMs, kind, node, link, delayMs, restore }) =>
        `  ${String(atMs).padStart(5)} ms  ${kind} node=${node + 1} for ${forMs} ms${link ? ` (${link})` : ''}${delayMs ? ` by ${delayMs} ms` : ''}${restore ? printRestore(restore) : ''}`,
    )
    .join('\n');

const whenOf = (afterMs) => {
  if (afterMs === undefined) return 'when acknowledged';
  return afterMs === 'switched' ? 'when switched over' : `after ${afterMs} ms`;
};

const printRestore = ({ force, besides, afterMs, again }) =>
  `${force ? ' by force' : ''}, ${besides} ${whenOf(afterMs)}, again: ${again}`;

/** The rounds of the short form, each with kinds to choose from: what an operator is most likely to meet. */
const SHORT_FORM = [
  ['kill-leader'],
  ['pause-leader', 'isolate-leader'],
  ['step-down', 'seal-leader', 'stop-gracefully'],
  ['mute-leader', 'deafen-leader', 'split-pair'],
  ['replace-node', 'replace-leader', 'wipe-node'],
  ['full-disk', 'failing-disk', 'stuck-disk'],
  ['kill-all', 'kill-two'],
  ['add-non-voter', 'demote-node'],
  ['restore-kill-all', 'restore-kill-leader', 'restore-behind'],
];

/** The kinds for each round of the short form; where the machine offers none of a family, the commonest of all. */
export const shortForm = (offers) =>
  SHORT_FORM.map((family) => {
    const offered = family.filter((kind) => FAULTS[kind].needs === undefined || offers.has(FAULTS[kind].needs));
    return offered.length > 0 ? offered : ['kill-leader'];
  });
