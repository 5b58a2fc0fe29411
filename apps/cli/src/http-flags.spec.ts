import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientSettings } from '@coffer/api-client';
import { parseFlags } from './flags.ts';
import { HTTP_FLAGS, SetupError, clientSettings } from './http-flags.ts';
import { StoreError, externalHelper, fileHelper, tokenHelper } from './token-helper.ts';

const settings = (argv: readonly string[], env: Record<string, string>, token?: string): ClientSettings =>
  clientSettings(parseFlags(argv, HTTP_FLAGS).flags, env, token);

describe('how the server is reached', () => {
  it('takes flags before our environment, ours before Vault’s, Vault’s before the default', () => {
    const env = { COFFER_ADDR: 'http://ours:1', VAULT_ADDR: 'http://vaults:2' };
    expect(settings(['-address=http://flag:3'], env).address).toBe('http://flag:3');
    expect(settings([], env).address).toBe('http://ours:1');
    expect(settings([], { VAULT_ADDR: 'http://vaults:2', COFFER_ADDR: '' }).address).toBe('http://vaults:2');
    expect(settings([], {}).address).toBe('https://127.0.0.1:8200');
  });

  it('takes the token without its line end', () => {
    expect(settings([], {}, 'stored\n').token).toBe('stored');
    expect(settings([], {}).token).toBeUndefined();
  });

  it.each([
    ['a/b', 'a/b/'],
    ['/a/', 'a/'],
    ['root', undefined],
    ['/', undefined],
  ])('reads the namespace %s', (text, expected) => {
    expect(settings([`-ns=${text}`], {}).namespace).toBe(expected);
    expect(settings([], { VAULT_NAMESPACE: text }).namespace).toBe(expected);
  });

  it('tries once, unless the environment says otherwise', () => {
    expect(settings([], {}).retriesMax).toBe(0);
    expect(settings([], { VAULT_MAX_RETRIES: '3' }).retriesMax).toBe(3);
    expect(settings([], { VAULT_CLIENT_TIMEOUT: '1m30s' }).timeoutMs).toBe(90_000);
  });

  it('leaves what the environment asks for as the time of wrapping to the server', () => {
    expect(settings([], { VAULT_WRAP_TTL: 'soon' }).wrapTtl).toBe('soon');
    expect(settings(['-wrap-ttl=0'], {}).wrapTtl).toBeUndefined();
  });

  it('honours every flag that changes a request', () => {
    const found = settings(
      [
        '-mfa=totp:123',
        '-policy-override',
        '-disable-redirects',
        '-ca-path=/',
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
      caPath: '/',
      namespace: 'a/',
      wrapTtl: '1m30s',
      headers: [['X-A', 'b=c']],
    });
  });

  it.each([
    [[], { VAULT_ADDR: '127.0.0.1:8200' }, 'failed to create client: invalid address'],
    [[], { VAULT_SKIP_VERIFY: 'maybe' }, 'failed to read environment: could not parse VAULT_SKIP_VERIFY'],
    [[], { COFFER_SKIP_VERIFY: 'tRUE' }, 'could not parse COFFER_SKIP_VERIFY'],
    [[], { VAULT_MAX_RETRIES: '-1' }, 'out of range'],
    [[], { VAULT_MAX_RETRIES: 'x' }, 'strconv.ParseInt: parsing "x": invalid syntax'],
    [[], { VAULT_CLIENT_TIMEOUT: 'soon' }, 'could not parse "VAULT_CLIENT_TIMEOUT"'],
    [[], { VAULT_RATE_LIMIT: 'x' }, 'VAULT_RATE_LIMIT was provided but incorrectly formatted'],
    [['-ca-cert=/no/such'], {}, 'Error loading CA File: open /no/such: no such file or directory'],
    [['-ca-path=/no/such'], {}, 'lstat /no/such: no such file or directory'],
    [['-client-cert=/no/such'], {}, 'both client cert and client key must be provided'],
    [['-header=X-Vault-Token=x'], {}, "Header starting by 'X-Vault-'"],
    [['-header=x-vault-token=x'], {}, "Header starting by 'X-Vault-'"],
    [['-header=X-A=b\r\nX-Vault-Token: x'], {}, 'not a valid header'],
  ])('refuses %j with %j', (argv, env: Record<string, string>, text) => {
    expect(() => settings(argv, env)).toThrow(SetupError);
    expect(() => settings(argv, env)).toThrow(text);
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
    expect(() => externalHelper('/no/such/helper', process.env).get()).toThrow(SetupError);
    expect(() => externalHelper('/no/such/helper', process.env).store('x')).toThrow(StoreError);
    const config = join(folder, 'wrong');
    writeFileSync(config, 'tokenhelper = "x"\n');
    await expect(tokenHelper({ VAULT_CONFIG_PATH: config })).rejects.toThrow('invalid key: tokenhelper');
  });
});
