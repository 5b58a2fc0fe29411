import { posix } from 'node:path';
import { ApiError } from '@coffer/api-client';
import type { CommandContext } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { DryClient } from '../dry-run.ts';
import { cleanPath } from './generic.ts';

/** Where a key lies. */
export interface KvPath {
  /** Ends with `/`; '' where the server did not say. */
  readonly mount: string;
  /** Mount and key; for version 1 with `-mount`, too. */
  readonly path: string;
  readonly version: 1 | 2;
}

/** Joins as Go's path package does: no empty parts, no `.`, no slash at the end. */
function join(...parts: readonly string[]): string {
  const joined = posix.join(...parts.filter((part) => part !== ''));
  return joined === '.' ? '' : joined.replace(/(.)\/$/, '$1');
}

/**
 * Asks the server which mount a path lies in, and of which version it is.
 *
 * @throws CommandError, ConnectionError
 */
export async function locateKv({ client, probe, flags }: CommandContext, argument: string): Promise<KvPath> {
  const given = flags.text('mount') ?? '';
  const path = cleanPath(argument);
  const asked = given === '' ? path : cleanPath(given);
  const { mount, version } = await askMount(probe, asked, client instanceof DryClient);
  return { mount, version, path: given === '' ? path : join(mount, path) };
}

async function askMount(
  probe: CommandContext['probe'],
  asked: string,
  dry: boolean,
): Promise<{ readonly mount: string; readonly version: 1 | 2 }> {
  try {
    const answer = await probe.send({ method: 'GET', path: `sys/internal/ui/mounts/${asked}` });
    const data = answer?.data;
    const options = data?.options as Readonly<Record<string, string>> | null | undefined;
    return {
      mount: typeof data?.path === 'string' ? data.path : '',
      version: options?.version === '2' ? 2 : 1,
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A server that does not know the question is so old that it has only version 1.
    if (error.status === 404) return { mount: '', version: 1 };
    if (dry && error.status === 403)
      throw new CommandError(
        `This output flag requires the success of a preflight request \nto determine the version of a KV secrets engine. Please \nre-run this command with a token with read access to ${asked}. \nNote that if the path you are trying to reach is a KV v2 path, your token's policy must \nallow read access to that path in the format 'mount-path/data/foo', not just 'mount-path/foo'.`,
      );
    throw error;
  }
}

/** The path of a key in the HTTP interface: `secret/data/app`. */
export function kvApiPath({ mount, path, version }: KvPath, part: string): string {
  if (version === 1) return path;
  const base = mount.replace(/\/$/, '');
  if (path === base || path === mount) return join(mount, part);
  return join(mount, part, path.startsWith(mount) ? path.slice(mount.length) : path);
}
