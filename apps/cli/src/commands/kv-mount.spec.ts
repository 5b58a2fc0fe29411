import type { ApiRequest, ApiResponse } from '@coffer/api-client';
import { ApiError } from '@coffer/api-client';
import type { CommandContext } from '../command.ts';
import { parseFlags } from '../flags.ts';
import { kvApiPath, locateKv } from './kv-mount.ts';

/** A server with `secret/` (version 2) and `old/` (version 1). */
function contextFor(asked: string[], mountFlag: string | undefined): CommandContext {
  const send = ({ path }: ApiRequest): Promise<ApiResponse> => {
    asked.push(path);
    const mount = path.replace('sys/internal/ui/mounts/', '').split('/')[0] ?? '';
    const version = new Map([
      ['secret', '2'],
      ['old', '1'],
    ]).get(mount);
    if (mount === '') return Promise.reject(new ApiError({ method: 'GET', url: '', status: 404 }, [], undefined));
    if (version === undefined)
      return Promise.reject(new ApiError({ method: 'GET', url: '', status: 403 }, ['no'], undefined));
    return Promise.resolve({ data: { path: `${mount}/`, options: { version } } });
  };
  const argv = mountFlag === undefined ? [] : [`-mount=${mountFlag}`];
  const { flags } = parseFlags(argv, [{ name: 'mount', kind: 'text', help: '' }]);
  const client = { send };
  return { client, probe: client, flags } as unknown as CommandContext;
}

describe('where a key lies', () => {
  it.each([
    ['secret/a/b', undefined, 'secret/a/b', 'secret/data/a/b'],
    ['/secret/a/', undefined, 'secret/a', 'secret/data/a'],
    ['secret', undefined, 'secret', 'secret/data'],
    ['a/b', 'secret', 'secret', 'secret/data/a/b'],
    ['/a', '/secret/', 'secret', 'secret/data/a'],
    ['', 'secret', 'secret', 'secret/data'],
    ['secret/a', '', 'secret/a', 'secret/data/a'],
    ['secret/a//b/./c', undefined, 'secret/a//b/./c', 'secret/data/a/b/c'],
    ['old/a', undefined, 'old/a', 'old/a'],
    ['a', 'old', 'old', 'old/a'],
  ])('%s with -mount=%s asks for %s and is at %s', async (argument, mount, question, path) => {
    const asked: string[] = [];
    const at = await locateKv(contextFor(asked, mount), argument);
    expect(asked).toEqual([`sys/internal/ui/mounts/${question}`]);
    expect(kvApiPath(at, 'data')).toBe(path);
  });

  it('is of version 1 for a server that does not know the question', async () => {
    expect(await locateKv(contextFor([], undefined), '')).toEqual({ mount: '', path: '', version: 1 });
  });

  it('passes a refusal on', async () => {
    await expect(locateKv(contextFor([], undefined), 'nosuch/a')).rejects.toThrow('no');
  });
});
