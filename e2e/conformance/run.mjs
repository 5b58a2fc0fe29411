#!/usr/bin/env node
/**
 * Replays the recorded conversations and transcripts against this program: on a development server, and, for some, on a
 * standby of a cluster of three. `parts.json` says which:
 *
 *   conversations   files that are replayed; `known` names steps (by their line) that are known to differ, and why
 *   standby         those that are replayed through a standby as well
 *   transcripts     the same for the command line
 *   leftOut         folders or files for which the program has no part yet, and why
 *
 * Fails when a step differs that is not listed, when a listed step does not differ any more, and when a file is in no
 * list: nothing is left out silently. The last line is "N passed, N failed".
 *
 *   run.mjs [--only TEXT]   only files whose name contains the text (the lists are not checked then)
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, cleanEnvironment, startDevServer } from '../cluster.mjs';
import { coffer, node } from '../program.mjs';
import { filesBelow } from './placeholders.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const parts = JSON.parse(readFileSync(join(here, 'parts.json'), 'utf8'));
const only = process.argv[2] === '--only' ? process.argv[3] : undefined;

let passed = 0;
let failed = 0;

function fail(text) {
  failed++;
  console.log(`FAILED ${text}`);
}

/** Runs a tool on one file. @returns {Promise<{differing: Map<string, string[]>, passed: number, failed: number}>} */
async function replay(tool, file, args) {
  const child = spawn(node, [join(here, tool), 'check', ...args, join(here, file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...cleanEnvironment(), PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  const out = [];
  child.stdout.on('data', (data) => out.push(data));
  child.stderr.on('data', (data) => out.push(data));
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const text = Buffer.concat(out).toString();
  const counts = text.match(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m);
  if (!counts) return { differing: new Map(), passed: 0, failed: 0, broken: text.slice(-2000) };
  const differing = new Map();
  for (const line of text.split('\n')) {
    const [, name, number] = line.match(/^(\S+?):(\d+): /) ?? [];
    if (name !== basename(file) || line.endsWith(' to capture')) continue;
    differing.set(number, [...(differing.get(number) ?? []), line]);
  }
  const result = { differing, passed: Number(counts[1]), failed: Number(counts[2]) };
  if (Number(counts[3] ?? 0) > 0) return { ...result, broken: text.slice(-500) };
  return result;
}

/** One file, judged by what is known of it. */
async function judge(title, tool, folder, part, args) {
  const { file, known = {} } = typeof part === 'string' ? { file: part } : part;
  const result = await replay(tool, join(folder, file), args);
  if (result.broken !== undefined) return fail(`${title} ${file}: the replay broke off:\n${result.broken}`);
  passed += result.passed;
  const listed = new Map(Object.entries(known).flatMap(([lines, why]) => lines.split(' ').map((line) => [line, why])));
  for (const [line, differences] of result.differing) {
    if (!listed.has(line)) fail(`${title} ${differences.join('\n    ')}`);
  }
  // what was not told apart by its line has failed as well
  if (result.failed > result.differing.size)
    fail(`${title} ${file}: ${result.failed} steps differ, ${result.differing.size} are named`);
  for (const [line, why] of listed) {
    if (!result.differing.has(line))
      fail(`${title} ${file}:${line} does not differ any more: strike it from parts.json`);
    else console.log(`known difference ${title} ${file}:${line}: ${why}`);
  }
}

/** Each recorded file must be in a list. */
function checkLists(folder, ending, listed, leftOut) {
  const names = new Set(listed.map((part) => (typeof part === 'string' ? part : part.file)));
  for (const path of filesBelow(join(here, folder), ending)) {
    const file = relative(join(here, folder), path);
    const isLeftOut = Object.keys(leftOut).some((name) => file === name || file.startsWith(`${name}/`));
    if (names.has(file) === isLeftOut)
      fail(`${folder}/${file} must be in one list of parts.json, to replay it or to leave it out`);
    names.delete(file);
  }
  for (const name of names) fail(`${folder}/${name} is listed in parts.json, but there is no such file`);
  for (const [name, why] of Object.entries(leftOut)) {
    if (!existsSync(join(here, folder, name)))
      fail(`${folder}/${name} is left out by parts.json, but there is no such file`);
    else console.log(`skipped ${folder}/${name}: ${why}`);
  }
}

const chosen = (list) =>
  only === undefined ? list : list.filter((part) => (typeof part === 'string' ? part : part.file).includes(only));

if (only === undefined) {
  checkLists('conversations', '.txt', parts.conversations, parts.leftOut.conversations);
  checkLists('transcripts', '.cli', parts.transcripts, parts.leftOut.transcripts);
}
const scratch = mkdtempSync(join(tmpdir(), 'coffer-conformance-'));
try {
  const server = await startDevServer();
  try {
    const args = ['--addr', server.url, '--token', 'root', '--var', `audit_dir=${scratch}`];
    for (const part of chosen(parts.conversations)) await judge('dev', 'replay.mjs', 'conversations', part, args);
  } finally {
    await server.stop();
  }
  const standby = chosen(parts.standby);
  if (standby.length > 0) {
    const cluster = await Cluster.start({ nodes: 3 });
    try {
      const { status } = await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/secret', {
        body: { type: 'kv', options: { version: '2' }, description: 'key/value secret storage' },
      });
      if (status !== 204) throw new Error(`mounting secret/ answered ${status}`);
      const [follower] = await cluster.standbys();
      const args = ['--addr', follower.url, '--token', cluster.token, '--var', `audit_dir=${scratch}`];
      for (const part of standby) await judge('standby', 'replay.mjs', 'conversations', part, args);
    } finally {
      await cluster.stop();
    }
  }
  for (const part of chosen(parts.transcripts)) {
    // fresh for each: what one leaves behind must not decide about the next
    const fresh = await startDevServer();
    try {
      await judge('cli', 'cli.mjs', 'transcripts', part, ['--program', coffer, '--addr', fresh.url, '--token', 'root']);
    } finally {
      await fresh.stop();
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
