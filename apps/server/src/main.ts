import { rm, writeFile } from 'node:fs/promises';
import { AssertionFailure, systemClock, systemRandom } from '@coffer/kernel';
import { devCertificate } from './dev/dev-tls.ts';
import { devBanner, devSettings, prepareDevServer } from './dev/dev-mode.ts';
import type { DevOptions } from './dev/dev-mode.ts';
import { collectStart } from './start/collect-start.ts';
import { startServer } from './start/running-server.ts';
import type { RunningServer } from './start/running-server.ts';
import { FlagError, parseServerFlags, splitAddress } from './start/server-flags.ts';
import type { ServerFlags } from './start/server-flags.ts';
import { explainStartFailure } from './start/start-failure.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const complain = (text: string): void => void process.stderr.write(`${text}\n`);
/** Log lines go to standard error, so that what is printed for people can be read by itself. */
const logLine = (line: string): void => void process.stderr.write(line);

/**
 * `coffer server`: runs until it is told to end.
 *
 * @param argv what follows `server`
 * @returns the exit code: 0 after a graceful end, 1 for flags, configuration or a start that failed
 */
export async function runServer(argv: readonly string[]): Promise<number> {
  endOnBrokenInvariants();
  let flags: ServerFlags;
  try {
    flags = parseServerFlags(argv, process.env);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    complain(error.message);
    return 1;
  }
  try {
    const server = flags.dev ? await startDev(flags) : await startConfigured(flags);
    if (!server) return 0;
    collectStart();
    await untilTold(server, flags);
    return 0;
  } catch (error) {
    complain(explainStartFailure(error));
    return 1;
  }
}

async function startDev(flags: ServerFlags): Promise<RunningServer> {
  const { host, port } = splitAddress(flags.devListenAddress);
  const tls = flags.devTls ? await devCertificate(flags.devTlsCertDir, systemClock, systemRandom) : undefined;
  const options: DevOptions = {
    rootTokenId: flags.devRootTokenId ?? `hvs.${systemRandom.base62(24)}`,
    host,
    port,
    noStoreToken: flags.devNoStoreToken,
    noKv: flags.devNoKv,
    kvV1: flags.devKvV1,
    logLevel: flags.logLevel ?? 'info',
    ...(tls ? { tls } : {}),
  };
  const server = await startServer(devSettings(options), logLine);
  const { unsealKey, rootToken } = await prepareDevServer(server, options);
  say(devBanner(options, unsealKey, rootToken));
  return server;
}

async function startConfigured(flags: ServerFlags): Promise<RunningServer | undefined> {
  const { loadSettings, describeSettings } = await import('./start/load-settings.ts');
  const settings = loadSettings(flags);
  if (flags.test) {
    say('Configuration is valid.');
    return undefined;
  }
  say(describeSettings(settings));
  const server = await startServer(settings, logLine);
  const { pidFile } = settings;
  if (pidFile === undefined) return started(server);
  await writePidFile(pidFile, server);
  return started({
    ...server,
    close: async () => {
      await server.close();
      await rm(pidFile, { force: true });
    },
  });
}

function started(server: RunningServer): RunningServer {
  say('==> Coffer server started! Log data will stream in below:\n');
  return server;
}

/** `pid_file`: for supervisors that send signals by it. A server that cannot write it does not run. */
async function writePidFile(path: string, server: RunningServer): Promise<void> {
  try {
    await writeFile(path, `${String(process.pid)}\n`, { mode: 0o644 });
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** SIGINT and SIGTERM end the server gracefully, a second one at once; SIGHUP reloads. */
function untilTold(server: RunningServer, flags: ServerFlags): Promise<void> {
  return new Promise((resolve, reject) => {
    let ending = false;
    const end = (): void => {
      if (ending) process.exit(1);
      ending = true;
      complain('==> Coffer shutdown triggered');
      server.close().then(resolve, reject);
    };
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
    process.on('SIGHUP', () => {
      const level = flags.dev
        ? Promise.resolve(undefined)
        : import('./start/load-settings.ts').then(({ loadSettings }) => loadSettings(flags).logLevel);
      level
        .then((found) => server.reload(found))
        .catch((error: unknown) => server.log.error('reloading failed', { error }));
    });
  });
}

/** A defect must not go on serving: it ends the process, with its rule and no data. */
function endOnBrokenInvariants(): void {
  const end = (error: unknown): void => {
    if (error instanceof AssertionFailure)
      complain(`a rule of the program was broken: ${error.message}\n${error.stack ?? ''}`);
    else complain(`an error was not handled: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown'}`);
    process.exit(70);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
