/** What clients did and saw, and whether a store that loses nothing and never shows old data could have answered so. */
import { checkLinearizable, printOffence, subKeysModel } from '../../libs/testing/dist/linearizability/index.js';
import { nowNs } from './clock.mjs';
import { restorable } from './restorable-model.mjs';
import { storeModel } from './store-model.mjs';
import { tokenModel } from './token-model.mjs';
import { versionedModel } from './versioned-model.mjs';

const MODELS = { subKeys: subKeysModel, versioned: versionedModel, token: tokenModel, store: storeModel };

/** Tries to place an operation, for one key. */
const STEPS_MAX = 2_000_000;

/** All operations of one round. */
export class History {
  /** @type {{model: string, client: number, input: object, start: number, end: number, output?: object, node: string}[]} */
  operations = [];
  /** Answers that no fault explains: each is a failure. */
  surprises = [];
  /** When good writes were acknowledged, in nanoseconds. */
  goodWrites = [];
  counts = { ok: 0, refused: 0, unknown: 0 };
  /** How often each reason of a refusal or an unknown outcome was met. */
  reasons = new Map();
  /** How many writes of unknown outcome each key has. */
  unknownWrites = new Map();
  /** Snapshots that were saved: when the call began and when the snapshot was there. */
  saves = [];
  /** Restores that were done, and those whose `end` is Infinity: they may be done at any time, or never. */
  restores = [];

  /**
   * Records one call.
   *
   * @param {object} call its `model`, `client`, `input` and `node`
   * @param {() => Promise<object>} send answers as `ask` does
   * @param {(answer: {status: number, body: any}) => object | undefined} read the model's output; undefined for a surprise
   * @returns the output, if there was an answer
   */
  async record({ model, client, input, node }, send, read) {
    const start = nowNs();
    const answer = await send();
    const end = nowNs();
    if (answer.outcome !== 'answered') {
      this.counts[answer.outcome]++;
      const reason = `${answer.outcome}: ${answer.why}`;
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
      if (answer.outcome === 'unknown') this.#open({ model, client, node, input, start });
      return undefined;
    }
    const output = read(answer);
    if (output === undefined) {
      const described = MODELS[model].describe(input, undefined);
      this.surprises.push(`${node}: ${described} answered ${answer.status} ${JSON.stringify(answer.body ?? '')}`);
      // whatever it means, it may have taken effect
      this.#open({ model, client, node, input, start });
      return undefined;
    }
    this.counts.ok++;
    this.operations.push({ model, client, node, input, start, end, output });
    if (!MODELS[model].readOnly(input)) this.goodWrites.push(end);
    return output;
  }

  /** A call that may take effect at any time from its start on, or never. */
  #open(operation) {
    const model = MODELS[operation.model];
    if (model.readOnly(operation.input)) return;
    this.operations.push({ ...operation, end: Infinity });
    const key = model.partition(operation.input);
    this.unknownWrites.set(key, (this.unknownWrites.get(key) ?? 0) + 1);
  }

  /** A snapshot is there that was taken between `start` and `end`. @returns {string} its id */
  saved(start, end) {
    const id = `s${this.saves.length + 1}`;
    this.saves.push({ id, start, end });
    return id;
  }

  /**
   * A restore begins.
   *
   * @returns {(outcome: 'answered' | 'refused' | 'unknown') => void} to be called when its outcome is known as far as it will be
   */
  restoring(id) {
    const restore = { id, start: nowNs(), end: Infinity };
    this.restores.push(restore);
    return (outcome) => {
      if (outcome === 'answered') restore.end = nowNs();
      if (outcome === 'refused') this.restores.splice(this.restores.indexOf(restore), 1);
    };
  }

  /** Whether another state may have taken the place of the present one between two moments. */
  mayHaveRestored(fromNs, toNs) {
    return this.restores.some(({ start, end }) => start <= toNs && end >= fromNs);
  }

  /** Saves and restores as operations on any key. */
  snapshots() {
    const restored = new Set(this.restores.map(({ id }) => id));
    const used = this.saves.filter(({ id }) => restored.has(id));
    return [
      ...used.map((save) => ({ ...save, input: { snapshot: 'save', id: save.id } })),
      ...this.restores.map((restore) => ({ ...restore, input: { snapshot: 'restore', id: restore.id } })),
    ].map(({ input, start, end }) => {
      return { client: 0, input, start, end, ...(end === Infinity ? {} : { output: { kind: 'done' } }) };
    });
  }
}

/**
 * Judges a history.
 *
 * @returns {{violations: string[], undecided: string[], checked: number}}
 */
export function judge(history) {
  const violations = [...history.surprises];
  const undecided = [];
  const snapshots = history.snapshots();
  for (const [name, model] of Object.entries(MODELS)) {
    const operations = history.operations.filter((each) => each.model === name);
    // key by key, so that one that cannot be decided hides nothing of the others
    for (const [key, ofKey] of Map.groupBy(operations, ({ input }) => model.partition(input))) {
      const result = checkLinearizable(restorable(model, key), [...ofKey, ...snapshots], { stepsMax: STEPS_MAX });
      if (result.verdict === 'not-linearizable')
        violations.push(`${name} ${key}: not linearizable\n${printOffence(result.offence, 12)}`);
      if (result.verdict === 'undecided') undecided.push(`${name} ${key}: undecided after ${result.steps} steps`);
    }
  }
  // These say more plainly what the checker finds, too; after a restore they would be wrong.
  if (snapshots.length === 0) violations.push(...twoWinners(history.operations), ...lostSubKeys(history.operations));
  return { violations, undecided, checked: history.operations.length };
}

/** A version was acknowledged to two check-and-set writes. */
function twoWinners(operations) {
  const winners = new Map();
  const found = [];
  for (const { model, input, output } of operations) {
    if (model !== 'versioned' || input.cas === undefined || output?.kind !== 'written') continue;
    const key = `${input.path} cas=${input.cas}`;
    if (winners.has(key)) found.push(`check-and-set ${key} has two winners: ${winners.get(key)} and ${input.value}`);
    winners.set(key, input.value);
  }
  return found;
}

/**
 * On paths that are only patched after their creation, each client owning its sub-key and counting up: no read that
 * started after a patch was acknowledged shows less of that sub-key. What a patch of unknown outcome wrote may show at any
 * time: it may have been on its way for long.
 */
function lostSubKeys(operations) {
  const found = [];
  const ofSubKeys = operations.filter(({ model }) => model === 'subKeys');
  for (const [path, ofPath] of Map.groupBy(ofSubKeys, ({ input }) => input.path)) {
    const creations = ofPath.filter(({ input }) => input.kind === 'replace' || input.kind === 'delete');
    if (creations.length !== 1) continue;
    const patches = ofPath.filter(({ input, output }) => input.kind === 'patch' && output?.found);
    const late = new Set(
      ofPath
        .filter(({ input, end }) => input.kind === 'patch' && end === Infinity)
        .flatMap(({ input }) => input.changes.map(([subKey, value]) => `${subKey}=${value}`)),
    );
    for (const read of ofPath) {
      if (read.input.kind !== 'read' || read.output?.data === undefined) continue;
      const seen = new Map(read.output.data);
      for (const { input, end } of patches) {
        if (end >= read.start) continue;
        for (const [subKey, value] of input.changes)
          if (Number(seen.get(subKey) ?? -1) < Number(value) && !late.has(`${subKey}=${seen.get(subKey)}`))
            found.push(`${path}: ${read.node} shows ${subKey}=${seen.get(subKey)} after ${value} was acknowledged`);
      }
    }
  }
  return found.slice(0, 5);
}

/**
 * The longest time between two acknowledged writes around a moment, in milliseconds.
 *
 * @param {number[]} goodWrites nanoseconds
 */
export function longestGapMs(goodWrites, fromNs, toNs) {
  const times = goodWrites.filter((at) => at >= fromNs && at <= toNs).sort((a, b) => a - b);
  const edges = [fromNs, ...times, toNs];
  let longest = 0;
  for (let index = 1; index < edges.length; index++) longest = Math.max(longest, edges[index] - edges[index - 1]);
  return longest / 1e6;
}
