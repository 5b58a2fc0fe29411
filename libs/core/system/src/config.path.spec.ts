import type { ParsingBackend } from '@coffer/storage';
import { CORS_STANDARD_HEADERS, CorsSettings } from './cors-settings.ts';
import { corsPaths } from './cors.path.ts';
import { MemoryView, caller, outcome } from './test-world.fixture.ts';
import { uiHeaderPaths } from './ui-headers.path.ts';

function corsWorld() {
  const view = new MemoryView();
  const backend = {
    getParsed: (key: string, parse: (bytes: Uint8Array) => unknown) => {
      const bytes = key.startsWith('sys/') ? view.get(key.slice(4)) : undefined;
      return bytes && parse(bytes);
    },
  } as unknown as ParsingBackend;
  return { settings: new CorsSettings(backend, 'sys/'), ...caller(corsPaths, view) };
}

describe('sys/config/cors', () => {
  it('is off, on and off again, at once', async () => {
    const { call, settings } = corsWorld();
    expect(await call('read', 'config/cors')).toEqual({ alsoAtTopLevel: true, data: { enabled: false } });
    expect(settings.judge('https://a.example')).toBeUndefined();
    await call('update', 'config/cors', { allowed_origins: ['https://a.example'], allowed_headers: ['X-One'] });
    expect(await outcome(call('read', 'config/cors'))).toEqual({
      enabled: true,
      allowed_origins: ['https://a.example'],
      allowed_headers: [...CORS_STANDARD_HEADERS, 'X-One'],
      allow_credentials: false,
    });
    expect(settings.judge('https://a.example')).toMatchObject({ allowedOrigins: ['https://a.example'] });
    expect(settings.judge('https://evil.example')).toBe('refused');
    expect(settings.judge('https://a.example.evil.example')).toBe('refused');
    await call('update', 'config/cors', { allowed_origins: ['https://a.example'], allow_credentials: true });
    expect(await outcome(call('read', 'config/cors'))).toMatchObject({ allow_credentials: true });
    expect(settings.judge('https://a.example')).toMatchObject({ allowCredentials: true });
    await call('update', 'config/cors', { allowed_origins: ['*'] });
    expect(settings.judge('https://evil.example')).toMatchObject({ allowedOrigins: ['*'] });
    await call('delete', 'config/cors');
    expect(settings.judge('https://evil.example')).toBeUndefined();
  });

  it.each<[Record<string, unknown>, number, string]>([
    [{}, 400, 'at least one origin or the wildcard must be provided'],
    [{ allowed_origins: ['*', 'https://a.example'] }, 400, "to allow all origins the '*' must be the only value"],
    [{ allowed_origins: ['*'], allow_credentials: true }, 400, 'needs origins by their names'],
    [{ allowed_origins: ['*'], allowed_headers: ['X-A\r\nX-B'] }, 400, 'is not a valid header name'],
  ])('refuses %j', async (sent, status, text) => {
    const { call } = corsWorld();
    expect(await outcome(call('update', 'config/cors', sent))).toEqual([status, expect.stringContaining(text)]);
    expect(await outcome(call('read', 'config/cors'))).toEqual({ enabled: false });
  });
});

describe('sys/config/ui/headers', () => {
  it('keeps headers by their canonical names', async () => {
    const { call } = caller(uiHeaderPaths);
    expect(await call('list', 'config/ui/headers')).toBeUndefined();
    await call('update', 'config/ui/headers/X-Conf', { values: ['one', 'two'] });
    expect(await outcome(call('read', 'config/ui/headers/X-Conf'))).toEqual({ value: 'one' });
    expect(await outcome(call('read', 'config/ui/headers/x-conf', { multivalue: true }))).toEqual({
      values: ['one', 'two'],
    });
    expect(await outcome(call('list', 'config/ui/headers'))).toEqual({ keys: ['X-Conf'] });
    await call('delete', 'config/ui/headers/x-CONF');
    expect(await call('read', 'config/ui/headers/X-Conf')).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['X-Vault-Thing', { values: ['one'] }, 'X-Vault headers cannot be set'],
    ['x-vault-thing', { values: ['one'] }, 'X-Vault headers cannot be set'],
    ['X-Conf', { values: [] }, 'header and values must be specified'],
    ['X-Conf', {}, 'header and values must be specified'],
    ['X-Conf', { values: ['a\r\nSet-Cookie: b'] }, 'a header value holds no line breaks'],
    ['X Conf', { values: ['a'] }, '"X Conf" is not a valid header name'],
  ])('refuses %s %j', async (name, sent, text) => {
    expect(await outcome(caller(uiHeaderPaths).call('update', `config/ui/headers/${name}`, sent))).toEqual([400, text]);
  });
});
