import type { CommandContext } from '../command.ts';
import { doing } from '../command-error.ts';

/** Where a key lies. */
export interface KvPath {
  /** Ends with `/`. */
  readonly mount: string;
  readonly key: string;
  readonly version: 1 | 2;
}

/** Asks the server which mount a path lies in, and of which version it is. */
export async function locateKv({ probe, flags }: CommandContext, argument: string): Promise<KvPath> {
  const given = flags.text('mount');
  const base = given === undefined ? '' : `${given.replace(/^\/+|\/+$/g, '')}/`;
  const path = `${base}${argument.replace(/^\/+/, '')}`.replace(/\/+$/, '');
  const answer = await doing('', probe.send({ method: 'GET', path: `sys/internal/ui/mounts/${path}` })).catch(
    (error: unknown) => {
      if (error instanceof Error) error.message = error.message.replace(/^: /, '');
      throw error;
    },
  );
  const data = answer?.data;
  const mount = typeof data?.path === 'string' ? data.path : base;
  const options = data?.options as Readonly<Record<string, string>> | null | undefined;
  return { mount, key: `${path}/`.slice(mount.length).replace(/\/$/, ''), version: options?.version === '2' ? 2 : 1 };
}

/** The path of a key in the HTTP interface: `secret/data/app`. */
export const kvApiPath = ({ mount, key, version }: KvPath, part: string): string =>
  version === 2 ? `${mount}${part}/${key}`.replace(/\/$/, '') : mount + key;
