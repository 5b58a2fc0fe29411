import { Secret } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { LiveMount } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';
import { contextFor } from './serve.stage.ts';
import type { Run } from '../run.ts';

/** What a handler of a mount of this type is shown of the headers and the token. */
function shown(type: string, passthroughRequestHeaders?: readonly string[]) {
  const headers = {
    authorization: 'Basic c2VjcmV0',
    'x-vault-token': 'hvs.secret',
    'x-own': 'own',
    'x-other': 'other',
    cookie: 'c',
  };
  const mount = { entry: { type, tuning: { passthroughRequestHeaders } }, storagePrefix: 'x/' } as unknown as LiveMount;
  const run = {
    request: { id: '1', namespace: ROOT_NAMESPACE, path: 'x/a', headers, token: new Secret('hvs.secret') },
    route: { mount, relativePath: 'a', captures: {} },
    nowMs: 0,
    warnings: [],
    operation: 'read',
  } as unknown as Run;
  const request = contextFor(run, {} as Transaction, [])?.request;
  return { headers: request?.headers, hasToken: request?.token !== undefined };
}

describe('the request that a handler sees', () => {
  it('holds neither the client’s token nor headers that its mount does not ask for', () => {
    expect(shown('kv')).toEqual({ headers: {}, hasToken: false });
    expect(shown('userpass', ['X-Own'])).toEqual({ headers: { 'x-own': 'own' }, hasToken: false });
  });

  it('holds no token even where the mount is tuned to pass the header that has it (CVE-2026-4525)', () => {
    for (const spelling of ['Authorization', 'authorization', 'X-Vault-Token', 'x-vault-token', 'X-VAULT-TOKEN'])
      expect(shown('jwt', [spelling])).toEqual({ headers: {}, hasToken: false });
    expect(shown('jwt', ['__proto__', 'constructor']).headers).toEqual({});
  });
});
