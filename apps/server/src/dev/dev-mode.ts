import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import { authorityTimes } from '../node/cluster-tls.ts';
import type { RunningServer } from '../start/running-server.ts';
import {
  BODY_BYTES_MAX,
  BODY_TIMEOUT_MS,
  DEFAULT_CACHE_BYTES,
  DEFAULT_LEASE_TTL_SECONDS,
  REQUEST_DURATION_MS,
} from '../start/settings.ts';
import type { ListenerSettings, ServerSettings } from '../start/settings.ts';
import type { LogLevel } from '@coffer/kernel';

/** What a development server is started with. */
export interface DevOptions {
  readonly rootTokenId: string;
  readonly host: string;
  readonly port: number;
  readonly noStoreToken: boolean;
  readonly noKv: boolean;
  readonly kvV1: boolean;
  readonly tls?: { readonly cert: string; readonly key: string; readonly caFile: string };
  readonly logLevel: LogLevel;
}

/** Settings of a single node in memory. */
export function devSettings(options: DevOptions): ServerSettings {
  const { host, port, tls } = options;
  const scheme = tls ? 'https' : 'http';
  const listener: ListenerSettings = {
    listener: {
      host,
      port,
      headerTimeoutMs: 10_000,
      writeTimeoutMs: 0,
      idleTimeoutMs: 300_000,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' } } : {}),
    },
    handler: {
      bodyBytesMax: BODY_BYTES_MAX,
      requestDurationMsMax: REQUEST_DURATION_MS,
      bodyTimeoutMs: BODY_TIMEOUT_MS,
    },
  };
  return {
    storage: { kind: 'inmem' },
    listeners: [listener],
    clusterListenAddress: '',
    apiAddress: `${scheme}://${host}:${String(port)}`,
    clusterAddress: '',
    clusterName: undefined,
    authorityTimes: authorityTimes(undefined),
    logLevel: options.logLevel,
    logFormat: 'standard',
    defaultLeaseTtlSeconds: DEFAULT_LEASE_TTL_SECONDS,
    maxLeaseTtlSeconds: DEFAULT_LEASE_TTL_SECONDS,
    cacheBytesMax: DEFAULT_CACHE_BYTES,
    rawStorageEndpoint: true,
    ui: true,
    sanitized: {
      storage: { type: 'inmem' },
      listeners: [{ type: 'tcp', config: { address: `${host}:${String(port)}` } }],
    },
    notes: [],
    cautions: [],
  };
}

/** Initialises, unseals, mounts `secret/` and keeps the root token where the command line looks for it. */
export async function prepareDevServer(
  server: RunningServer,
  options: DevOptions,
): Promise<{ readonly unsealKey: string; readonly rootToken: string }> {
  const { keysBase64, rootToken } = await server.node.initializeForDevelopment(options.rootTokenId);
  if (!options.noKv) {
    await server.node.asRoot((services) =>
      services.mounts.enable({
        table: 'secret',
        namespace: ROOT_NAMESPACE,
        path: 'secret',
        type: 'kv',
        description: 'key/value secret storage',
        options: { version: options.kvV1 ? '1' : '2' },
      }),
    );
  }
  if (!options.noStoreToken) storeToken(rootToken);
  return { unsealKey: keysBase64[0] ?? '', rootToken };
}

/** The token helper's file, readable by its owner only. */
function storeToken(token: string): void {
  const folder = homedir();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.vault-token'), token, { mode: 0o600 });
}

/** What the operator sees, as Vault prints it. */
export function devBanner(options: DevOptions, unsealKey: string, rootToken: string): string {
  const scheme = options.tls ? 'https' : 'http';
  const address = `${scheme}://${options.host}:${String(options.port)}`;
  return [
    'WARNING! dev mode is enabled! In this mode, Coffer runs entirely in-memory',
    'and starts unsealed with a single unseal key. The root token is already',
    'authenticated to the CLI, so you can immediately begin using Coffer.',
    '',
    'You may need to set the following environment variables:',
    '',
    `    $ export VAULT_ADDR='${address}'`,
    ...(options.tls ? [`    $ export VAULT_CACERT='${options.tls.caFile}'`] : []),
    '',
    'The unseal key and root token are displayed below in case you want to',
    'seal/unseal Coffer or re-authenticate.',
    '',
    `Unseal Key: ${unsealKey}`,
    `Root Token: ${rootToken}`,
    '',
    'Development mode should NOT be used in production installations!',
    '',
  ].join('\n');
}
