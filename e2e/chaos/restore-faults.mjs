/**
 * Snapshots are saved while clients write, and restored while other faults go on. What was saved and restored, and when,
 * goes into the history, whose checker holds it against what clients saw before and after.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { eventually, pause } from '../program.mjs';
import { nowNs } from './clock.mjs';
import { ask } from './http-client.mjs';

const PATH = 'sys/storage/raft/snapshot';
const SAVE_MS_MAX = 20_000;
const RESTORE_MS_MAX = 40_000;
/** A restore that is refused is tried again for so long: another fault may be in its way, in milliseconds. */
const TRYING_MS_MAX = 15_000;
/** Clients work for so long on what was restored, in milliseconds. */
const AFTERWARDS_MS = 600;

/** Parts of the state that nobody touches: a restore takes a moment, and its contents many entries of the log. */
const FILLERS = 16;
const FILLER_BYTES = 200_000;

/** Gives a new cluster's state some size. @param {(method, path, options) => Promise<{status: number}>} request */
export async function fill(request) {
  for (let number = 0; number < FILLERS; number++) {
    const value = String(number % 10).repeat(FILLER_BYTES);
    const { status } = await request('PUT', `chaos1/filler-${number}`, { body: { value } });
    if (status !== 204) throw new Error(`a filler was not written: ${status}`);
  }
}

/**
 * @param {(kind: string, fault: object) => Promise<void>} doKind does another fault; its `hold` says when that ends
 */
export const restoreUnder = (doKind) => async (fault) => {
  const { kind, restore, hold, note } = fault;
  let snapshot = await save(fault);
  if (kind === 'restore-behind') {
    // Who is away meanwhile finds a log that was cut, and another state.
    const back = pause(fault.forMs).then(() => restoreOnce(fault, snapshot));
    // Sometimes it comes back in the middle.
    const hasBack = fault.other === 0 ? back : pause(fault.forMs + (Number(restore.afterMs) || 50));
    await Promise.all([back, doKind(restore.besides, { ...fault, hold: () => hasBack })]);
  } else {
    await hold();
    await restoreBeside(fault, snapshot, doKind);
  }
  await pause(AFTERWARDS_MS);
  if (restore.again === 'none') return;
  if (restore.again === 'newer') snapshot = await save(fault);
  note(`restore again: ${restore.again}`);
  await restoreOnce(fault, snapshot);
  await pause(AFTERWARDS_MS);
};

/** A restore, and another fault at its time: in the middle, or as soon as the restore was acknowledged. */
async function restoreBeside(fault, snapshot, doKind) {
  const { restore } = fault;
  const beside = async () => {
    if (restore.besides !== 'nothing') await doKind(restore.besides, { ...fault, hold: () => pause(fault.forMs / 2) });
  };
  if (restore.afterMs === undefined) {
    await restoreOnce(fault, snapshot);
    await beside();
    return;
  }
  let isOver = false;
  const restoring = restoreOnce(fault, snapshot).finally(() => (isOver = true));
  await (restore.afterMs === 'switched' ? switchedOver(fault.cluster, () => isOver) : pause(restore.afterMs));
  await Promise.all([restoring, beside()]);
}

/**
 * Resolves as soon as a node logs that it has another state from now on, or the restore is over: what it and the others have of
 * that on their disks is then still to come, for the most part.
 */
async function switchedOver({ nodes }, isOver) {
  const seen = new Map(nodes.map((node) => [node, statSync(node.logFile).size]));
  while (!isOver()) {
    for (const node of nodes) {
      const { size } = statSync(node.logFile);
      if (size === seen.get(node)) continue;
      if (/a restore replaced the state/.test(readFrom(node.logFile, seen.get(node), size))) return;
      seen.set(node, size);
    }
    await pause(2);
  }
}

function readFrom(file, from, to) {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(to - from);
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, from));
  } finally {
    closeSync(fd);
  }
}

/** Tries until a whole archive is there. @returns {Promise<{id: string, bytes: Buffer}>} */
async function save({ cluster, node: first, note, history }) {
  let turn = first;
  return eventually(
    'a snapshot is saved',
    async () => {
      const node = cluster.nodes[turn++ % cluster.nodes.length];
      const start = nowNs();
      const answer = await ask(node, 'GET', PATH, { token: cluster.token, timeoutMs: SAVE_MS_MAX });
      if (answer.outcome !== 'answered') throw new Error(answer.why);
      if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      // its state is of one moment, which is over when the answer begins
      const id = history.saved(start, answer.begunNs);
      note(`snapshot ${id} through ${node.id}, ${answer.bytes.length} bytes`);
      return { id, bytes: answer.bytes };
    },
    60_000,
  );
}

/** Until it was done, or nobody knows whether it was. With `untold` the history hears nothing of it, which has to be found out. */
async function restoreOnce(fault, { id, bytes }) {
  const { cluster, node: first, note, history, restore } = fault;
  const giveUpMs = performance.now() + TRYING_MS_MAX;
  let turn = first;
  while (performance.now() < giveUpMs) {
    // not first through the node to which the fault is done
    const node = cluster.nodes[++turn % cluster.nodes.length];
    const ended = history.restoring(id);
    const answer = await ask(node, 'POST', restore.force ? `${PATH}-force` : PATH, {
      token: cluster.token,
      body: bytes,
      timeoutMs: RESTORE_MS_MAX,
    });
    const outcome = outcomeOf(answer);
    ended(fault.untold ? 'refused' : outcome);
    const isDown = answer.why === 'ECONNREFUSED';
    if (!isDown)
      note(`restore ${id} through ${node.id}: ${outcome}${outcome === 'answered' ? '' : ` (${whyOf(answer)})`}`);
    if (outcome !== 'refused') return;
    if (answer.outcome === 'answered' && !expected(answer))
      history.surprises.push(`${node.id}: restoring ${id} was refused: ${whyOf(answer)}`);
    await pause(300);
  }
}

function outcomeOf(answer) {
  if (answer.outcome !== 'answered') return answer.outcome;
  return answer.status === 204 ? 'answered' : 'refused';
}

const whyOf = ({ why, status, body }) => why ?? `${status} ${JSON.stringify(body?.errors ?? body ?? '')}`;

/** Two at a time, or no room for it beside a fault that fills the disk. */
const expected = ({ status, body }) =>
  (status === 400 && /another snapshot is being restored|another restore is under way|given up/.test(body?.errors)) ||
  status === 413;
