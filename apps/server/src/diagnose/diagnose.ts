import { X509Certificate, createPrivateKey } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { ConfigError, loadServerConfig } from '@coffer/config';
import type { ListenerTls, ServerConfig } from '@coffer/config';
import { systemClock } from '@coffer/kernel';
import { splitAddress } from '../start/server-flags.ts';

/** What a check found. */
interface Finding {
  readonly state: 'success' | 'warning' | 'failure';
  readonly name: string;
  readonly message: string;
}

const MARKS = { success: '[ success ]', warning: '[ warning ]', failure: '[ failure ]' } as const;
const SOON_DAYS = 30;

/** `coffer operator diagnose`: checks a configuration without starting a server. @returns 0, 2 for warnings, 1 for failures */
export async function runDiagnose(paths: readonly string[]): Promise<number> {
  const findings = await diagnose(paths);
  process.stdout.write(
    `${findings.map(({ state, name, message }) => `${MARKS[state]} ${name}: ${message}`).join('\n')}\n`,
  );
  if (findings.some(({ state }) => state === 'failure')) return 1;
  return findings.some(({ state }) => state === 'warning') ? 2 : 0;
}

async function diagnose(paths: readonly string[]): Promise<readonly Finding[]> {
  let config: ServerConfig;
  try {
    config = loadServerConfig(paths);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [{ state: 'failure', name: 'Parse Configuration', message: error.message }];
  }
  const findings: Finding[] = [
    { state: 'success', name: 'Parse Configuration', message: 'the configuration is well-formed' },
  ];
  for (const { key, file, position, kind } of config.notes) {
    const message = `${file}:${String(position.line)}: "${key}" is ${kind === 'unknown' ? 'unknown and ignored' : 'not in effect yet'}`;
    findings.push({ state: 'warning', name: 'Parse Configuration', message });
  }
  findings.push(checkStorage(config));
  for (const { address, tls } of config.listeners) {
    findings.push(await checkAddress(address));
    if (tls) findings.push(...checkTls(tls));
    else findings.push({ state: 'warning', name: 'Check Listener TLS', message: `${address}: TLS is disabled` });
  }
  return findings;
}

function checkStorage({ storage }: ServerConfig): Finding {
  const name = 'Check Storage';
  if (storage.kind === 'inmem')
    return { state: 'warning', name, message: 'everything is kept in memory and lost at the end' };
  const folder = existsSync(storage.path) ? storage.path : dirname(storage.path);
  try {
    accessSync(folder, constants.W_OK | constants.R_OK);
  } catch (error) {
    return { state: 'failure', name, message: `${folder} cannot be written: ${codeOf(error)}` };
  }
  return { state: 'success', name, message: `${storage.path} can be written` };
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';

/** Whether the address is free. */
function checkAddress(address: string): Promise<Finding> {
  const name = 'Check Listener Address';
  const { host, port } = splitAddress(address);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) =>
      resolve({ state: 'failure', name, message: `${address} cannot be used: ${codeOf(error)}` }),
    );
    server.listen({ host, port }, () =>
      server.close(() => resolve({ state: 'success', name, message: `${address} is free` })),
    );
  });
}

function checkTls(tls: ListenerTls): readonly Finding[] {
  const name = 'Check Listener TLS';
  try {
    const certificate = new X509Certificate(readFileSync(tls.certFile));
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(tls.keyFile)))) {
      return [{ state: 'failure', name, message: `${tls.keyFile} is not the key of ${tls.certFile}` }];
    }
    const daysLeft = (Date.parse(certificate.validTo) - systemClock.nowMs()) / 86_400_000;
    if (daysLeft < 0)
      return [{ state: 'failure', name, message: `${tls.certFile} has expired on ${certificate.validTo}` }];
    if (daysLeft < SOON_DAYS)
      return [{ state: 'warning', name, message: `${tls.certFile} expires on ${certificate.validTo}` }];
    return [{ state: 'success', name, message: `${tls.certFile} is good until ${certificate.validTo}` }];
  } catch (error) {
    return [{ state: 'failure', name, message: `certificate or key cannot be read: ${codeOf(error)}` }];
  }
}
