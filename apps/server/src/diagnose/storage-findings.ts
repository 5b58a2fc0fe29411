import { ConfigError } from '@coffer/config';
import type { Finding, ServerConfig } from '@coffer/config';
import { connectionCautions } from '../start/connection-caution.ts';
import { discoveryOf } from '../start/load-settings.ts';
import { remoteSettings } from '../start/remote-settings.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the server itself would refuse or warn of when it opens its storage; nothing is opened, made or asked. */
export function storageFindings(
  { storage, haStorage }: Pick<ServerConfig, 'storage' | 'haStorage'>,
  env: Environment,
): readonly Finding[] {
  if (storage.kind === 'inmem') return [];
  if (storage.kind === 'raft') {
    return storage.retryJoin.flatMap(({ autoJoin }) =>
      autoJoin ? mistakesIn('Check Raft Joining', () => void discoveryOf(autoJoin)) : [],
    );
  }
  const name = 'Check Storage';
  const cautions: Finding[] = [];
  const mistakes = mistakesIn(name, () => {
    for (const message of connectionCautions(remoteSettings(storage, haStorage, env), env))
      cautions.push({ name, status: 'warn', message, advice: 'Let the database speak TLS, and verify it.' });
  });
  return [...mistakes, ...cautions];
}

function mistakesIn(name: string, run: () => void): readonly Finding[] {
  try {
    run();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [{ name, status: 'fail', message: error.message, advice: 'Correct it, and try again.' }];
  }
}
