import { ApiClient } from '@coffer/api-client';
import type { ApiRequest, ClientSettings } from '@coffer/api-client';
import { DryClient, DryRun } from './dry-run.ts';
import { parseFlags } from './flags.ts';
import { HTTP_FLAGS, clientSettings } from './http-flags.ts';

const settings = (...argv: readonly string[]): ClientSettings =>
  clientSettings(parseFlags(argv, HTTP_FLAGS).flags, { VAULT_ADDR: 'http://h:1' }, 'secret-token');

async function shown(kind: 'curl' | 'policy', request: ApiRequest, ...argv: readonly string[]): Promise<string> {
  try {
    await new DryClient(new ApiClient(settings(...argv)), kind, 'vault').send(request);
  } catch (error) {
    if (error instanceof DryRun) return error.text;
  }
  throw new Error('nothing was shown');
}

describe('the request as a curl line', () => {
  it('never shows the token, writes JSON as Go does, and is safe in a shell', async () => {
    const text = await shown('curl', { method: 'PUT', path: 'a/b', body: { a: "it's <b>" } });
    expect(text).not.toContain('secret-token');
    expect(text).toContain('-H "X-Vault-Token: $(vault print token)"');
    expect(text).toContain(`-d '{"a":"it'"'"'s \\u003cb\\u003e"}'`);
    expect(text.endsWith(' "http://h:1/v1/a/b"')).toBe(true);
  });

  it('shows how TLS and headers are asked for', async () => {
    const text = await shown('curl', { method: 'GET', path: 'a' }, '-tls-skip-verify', '-ca-path=/', '-header=x-a=b');
    expect(text.startsWith("curl --insecure --capath '/' -H ")).toBe(true);
    expect(text).toContain('-H "X-A: b"');
  });

  it('shows an empty body as Go sends it', async () => {
    expect(await shown('curl', { method: 'PUT', path: 'a', body: null })).toContain("-d 'null'");
  });
});

describe('the request as a policy', () => {
  it.each([
    ['GET', 'secret/data/a', ['read']],
    ['PUT', 'secret/data/a', ['create', 'update']],
    ['PATCH', 'secret/data/a', ['patch']],
    ['DELETE', 'sys/auth/x', ['delete', 'sudo']],
    ['GET', 'sys/auth', ['read']],
    ['PUT', 'sys/seal', ['create', 'update']],
    ['PUT', 'sys/rotate', ['create', 'update', 'sudo']],
    ['GET', 'sys/leases/lookup/a', ['read', 'sudo']],
  ] as const)('%s %s takes %j', async (method, path, capabilities) => {
    const list = capabilities.map((name) => `"${name}"`).join(', ');
    expect(await shown('policy', { method, path })).toBe(`path "${path}" {\n  capabilities = [${list}]\n}`);
  });
});
