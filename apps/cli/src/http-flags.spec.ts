import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientSettings } from '@coffer/api-client';
import { CommandError } from './command-error.ts';
import { UsageError, parseFlags } from './flags.ts';
import { HTTP_FLAGS, HeaderError, clientSettings } from './http-flags.ts';
import { externalHelper, fileHelper, tokenHelper } from './token-helper.ts';

const settings = (argv: readonly string[], env: Record<string, string>, stored?: string): ClientSettings =>
  clientSettings(parseFlags(argv, HTTP_FLAGS).flags, env, () => stored);

describe('how the server is reached', () => {
  it('takes flags before our environment, ours before Vault’s, Vault’s before the default', () => {
    const env = { COFFER_ADDR: 'http://ours:1', VAULT_ADDR: 'http://vaults:2' };
    expect(settings(['-address=http://flag:3'], env).address).toBe('http://flag:3');
    expect(settings([], env).address).toBe('http://ours:1');
    expect(settings([], { VAULT_ADDR: 'http://vaults:2', COFFER_ADDR: '' }).address).toBe('http://vaults:2');
    expect(settings([], {}).address).toBe('https://127.0.0.1:8200');
  });

  it('takes the stored token last, without its line end', () => {
    expect(settings([], { VAULT_TOKEN: 'env' }, 'stored').token).toBe('env');
    expect(settings([], {}, 'stored\n').token).toBe('stored');
    expect(settings([], {}).token).toBeUndefined();
  });

  it('honours every flag that changes a request', () => {
    const found = settings(
      [
        '-mfa=totp:123',
        '-policy-override',
        '-disable-redirects',
        '-ca-path=/ca',
        '-ns=a/',
        '-wrap-ttl=90',
        '-header=X-A=b=c',
      ],
      {},
    );
    expect(found).toMatchObject({
      mfa: ['totp:123'],
      policyOverride: true,
      disableRedirects: true,
      caPath: '/ca',
      namespace: 'a/',
      wrapTtl: '1m30s',
      headers: [['X-A', 'b=c']],
    });
  });

  it.each([
    [[], { VAULT_ADDR: '127.0.0.1:8200' }, 'invalid address'],
    [[], { VAULT_SKIP_VERIFY: 'maybe' }, 'SKIP_VERIFY'],
    [[], { VAULT_MAX_RETRIES: '-1' }, 'MAX_RETRIES'],
    [[], { VAULT_CLIENT_TIMEOUT: 'soon' }, 'invalid client timeout'],
    [[], { VAULT_TOKEN: 'a\nb' }, 'non-printable'],
  ])('refuses %j with %j', (argv, env, text) => {
    expect(() => settings(argv, env)).toThrow(UsageError);
    expect(() => settings(argv, env)).toThrow(text);
  });

  it('refuses headers that are not the caller’s to set, and that would split the request', () => {
    expect(() => settings(['-header=X-Vault-Token=x'], {})).toThrow(HeaderError);
    expect(() => settings(['-header=X-A=b\r\nX-Vault-Token: x'], {})).toThrow(HeaderError);
  });
});

describe('where the token is kept', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-token-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, '.vault-token');

  it('is a file for its owner alone, also where it was open to all before', () => {
    const helper = fileHelper(path);
    expect(helper.get()).toBeUndefined();
    writeFileSync(path, 'old', { mode: 0o644 });
    helper.store('hvs.new');
    expect(helper.get()).toBe('hvs.new');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['.vault-token']);
  });

  it('is a program that the configuration names', async () => {
    const program = join(folder, 'helper.sh');
    writeFileSync(program, `#!/bin/sh\n[ "$1" = store ] && cat > "${folder}/kept" || cat "${folder}/kept"\n`, {
      mode: 0o755,
    });
    const config = join(folder, 'config');
    writeFileSync(config, `token_helper = "${program}"\n`);
    const helper = await tokenHelper({ ...(process.env as Record<string, string>), VAULT_CONFIG_PATH: config });
    helper.store('hvs.kept');
    expect(readFileSync(join(folder, 'kept'), 'utf8')).toBe('hvs.kept');
    expect(helper.get()).toBe('hvs.kept');
  });

  it('says so where the program fails, or the configuration is wrong', async () => {
    expect(() => externalHelper('/no/such/helper', process.env).get()).toThrow(CommandError);
    const config = join(folder, 'wrong');
    writeFileSync(config, 'tokenhelper = "x"\n');
    await expect(tokenHelper({ VAULT_CONFIG_PATH: config })).rejects.toThrow('invalid key: tokenhelper');
  });
});
