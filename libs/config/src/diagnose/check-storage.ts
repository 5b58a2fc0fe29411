import { accessSync, constants, existsSync, statSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sameOrigin } from '@coffer/kernel';
import type { RetryJoinConfig, StorageConfig } from '../server-config/server-config.ts';
import { checkCa, checkPair } from './check-certificates.ts';
import { codeOf } from '../error-code.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const NAME = 'Check Storage';
const JOIN = 'Check Raft Joining';
const FREE_BYTES_MIN = 1024 ** 3;
const FREE_SHARE_MIN = 0.05;

/** The data's folder, and the nodes to join. */
export function checkStorage(
  storage: StorageConfig,
  ownApiAddr: string | undefined,
  nowMs: number,
): readonly Finding[] {
  if (storage.kind === 'inmem')
    return [warn(NAME, 'everything is kept in memory and lost at the end', 'Use storage "raft" for what must last.')];
  // The database is the server's to ask: a check here would need its client and its secrets.
  if (storage.kind !== 'raft')
    return [ok(NAME, `storage "${storage.kind}" is well-formed; whether it answers is seen when the server starts`)];
  const joins = storage.retryJoin.flatMap((target) => checkTarget(target, ownApiAddr, nowMs));
  return [...checkFolder(storage.path), ...joins];
}

function checkFolder(path: string): readonly Finding[] {
  // The server makes folders that are missing: then the one above must let it.
  let folder = resolve(path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) return [fail(NAME, `${folder} is no folder`, 'Name a folder in path.')];
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return [ok(NAME, `${path} can be written`), ...checkOpenness(path), ...checkSpace(folder)];
  } catch (error) {
    return [
      fail(NAME, `${folder} cannot be written: ${codeOf(error)}`, 'Give it to the user that the server runs as.'),
    ];
  }
}

function checkOpenness(path: string): readonly Finding[] {
  if (process.platform === 'win32' || !existsSync(path) || (statSync(path).mode & 0o007) === 0) return [];
  return [warn(NAME, `${path} is open to every user of this machine`, 'Run chmod 700 on it.')];
}

function checkSpace(folder: string): readonly Finding[] {
  const { bavail, blocks, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const freeShare = blocks > 0 ? bavail / blocks : 1;
  const message = `${String(Math.floor(freeBytes / 1024 ** 2))} MiB (${(freeShare * 100).toFixed(1)} %) are free`;
  if (freeBytes >= FREE_BYTES_MIN && freeShare >= FREE_SHARE_MIN) return [ok('Check Disk Usage', message)];
  return [
    warn('Check Disk Usage', `${message} where the data lies`, 'Make room: a server that cannot write stands down.'),
  ];
}

function checkTarget(target: RetryJoinConfig, ownApiAddr: string | undefined, nowMs: number): readonly Finding[] {
  const { leaderApiAddr, autoJoin, caCertFile, clientCertFile, clientKeyFile } = target;
  // What else stands there may be secret.
  const provider = /\bprovider=([a-z0-9]+)/.exec(autoJoin?.text ?? '')?.[1] ?? '…';
  const address = leaderApiAddr ?? `auto_join "provider=${provider} …"`;
  const findings: Finding[] = [];
  if (leaderApiAddr === undefined) findings.push(ok(JOIN, `${address} is asked at the start`));
  else if (!URL.canParse(address))
    findings.push(fail(JOIN, `${address} is no address`, 'Write it as "https://10.0.0.1:8200".'));
  else if (ownApiAddr !== undefined && sameOrigin(address, ownApiAddr))
    findings.push(ok(JOIN, `${address} is this node itself, and is left out`));
  else if (address.startsWith('http:'))
    findings.push(
      warn(JOIN, `${address} is asked without TLS`, 'Give that listener a certificate, and write https:// here.'),
    );
  else findings.push(ok(JOIN, `${address} is well-formed`));
  if (caCertFile !== undefined) findings.push(...checkCa(JOIN, caCertFile, nowMs));
  if (clientCertFile !== undefined && clientKeyFile !== undefined)
    findings.push(...checkPair(JOIN, clientCertFile, clientKeyFile, nowMs));
  const hasCert = clientCertFile !== undefined || target.clientCert !== undefined;
  const hasKey = clientKeyFile !== undefined || target.clientKey !== undefined;
  if (hasCert !== hasKey)
    findings.push(
      fail(
        JOIN,
        `${address}: leader_client_cert and leader_client_key belong together, and only one is set`,
        'Set both, or neither.',
      ),
    );
  return findings;
}
