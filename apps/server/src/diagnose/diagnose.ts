import { ConfigError, diagnoseConfig, loadServerConfig } from '@coffer/config';
import type { Finding, ServerConfig } from '@coffer/config';
import { storageFindings } from './storage-findings.ts';

const MARKS: Readonly<Record<Finding['status'], string>> = {
  ok: '[ success ]',
  warn: '[ warning ]',
  fail: '[ failure ]',
};

/** `coffer operator diagnose`: checks a configuration without starting a server. @returns 0, 2 for warnings, 1 for failures */
export async function runDiagnose(paths: readonly string[]): Promise<number> {
  const findings = await diagnose(paths);
  const lines = findings.flatMap(({ status, name, message, advice }) => [
    `${MARKS[status]} ${name}: ${message}`,
    ...(advice === undefined ? [] : [`            ${advice}`]),
  ]);
  process.stdout.write(`${lines.join('\n')}\n`);
  if (findings.some(({ status }) => status === 'fail')) return 1;
  return findings.some(({ status }) => status === 'warn') ? 2 : 0;
}

async function diagnose(paths: readonly string[]): Promise<readonly Finding[]> {
  let config: ServerConfig;
  try {
    config = loadServerConfig(paths);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [
      { name: 'Parse Configuration', status: 'fail', message: error.message, advice: 'Correct it, and try again.' },
    ];
  }
  return [...(await diagnoseConfig(config)), ...storageFindings(config, process.env)];
}
