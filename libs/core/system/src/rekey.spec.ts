import { systemRandom } from '@coffer/kernel';
import type { Secret } from '@coffer/kernel';
import { combine, split } from '@coffer/barrier';
import type { PreparedShares, SealStatus } from '@coffer/barrier';
import { GenerateRoot, decodeToken, encodeToken } from './generate-root.ts';
import { generateRootPaths } from './generate-root.path.ts';
import { Rekey } from './rekey.ts';
import { rekeyPaths } from './rekey.path.ts';
import { StorageError } from '@coffer/storage';
import { caller, outcome } from './test-world.fixture.ts';

/** A seal of 3 shares, 2 of which unseal. */
class FakeSeal {
  key = systemRandom.bytes(32);
  shares = 3;
  threshold = 2;
  failure: Error | undefined;
  given = split(this.key, 3, 2, systemRandom);

  status(): SealStatus {
    const { shares, threshold } = this;
    return {
      type: 'shamir',
      initialized: true,
      sealed: false,
      shares,
      threshold,
      progress: 0,
      nonce: '',
      recoverySeal: false,
    };
  }

  verifyKey(key: Secret<Uint8Array>): Promise<boolean> {
    return Promise.resolve(Buffer.from(key.reveal()).equals(this.key));
  }

  prepareReshare(shares: number, threshold: number): Promise<PreparedShares> {
    const key = systemRandom.bytes(32);
    const pieces = shares === 1 ? [key] : split(key, shares, threshold, systemRandom);
    return Promise.resolve({
      result: {
        keys: pieces.map((piece) => Buffer.from(piece).toString('hex')),
        keysBase64: pieces.map((piece) => Buffer.from(piece).toString('base64')),
      },
      fits: (other) => Buffer.from(other.reveal()).equals(key),
      commit: () => {
        if (this.failure) return Promise.reject(this.failure);
        Object.assign(this, { key, shares, threshold, given: pieces });
        return Promise.resolve();
      },
      discard: () => undefined,
    });
  }

  share(index: number): string {
    return Buffer.from(this.given[index] ?? []).toString('hex');
  }
}

type Data = Record<string, unknown>;

function world() {
  const seal = new FakeSeal();
  const rekey = new Rekey(seal, systemRandom);
  const created: string[] = [];
  const revoked: string[] = [];
  const generateRoot = new GenerateRoot({
    seal,
    random: systemRandom,
    createRootToken: (id) => {
      created.push(id);
      return Promise.resolve();
    },
    revokeRootToken: (id) => {
      revoked.push(id);
      return Promise.resolve();
    },
  });
  const paths = [...rekeyPaths({ rekey: () => rekey }), ...generateRootPaths({ generateRoot: () => generateRoot })];
  return { seal, created, revoked, paths, ...caller(paths) };
}

/** A public key that signs but cannot encrypt. */
const SIGNING_KEY = [
  'xjMEXgvhABYJKwYBBAHaRw8BAQdAzmZGtU7Dwoy4iOLm7LcKAVSrSq9fDx8yUadgQHjlSPbNAXjCwBMEExYKAIUFgl4L4QAD',
  'CwkHCRD2un97rzXpMkUUAAAAAAAcACBzYWx0QG5vdGF0aW9ucy5vcGVucGdwanMub3JnGsneE2WyFCevLd8A5MUuWCMAicoI',
  'qU9l4o3Iquu/0DkFFQoIDgwEFgACAQIZAQKbAwIeARYhBA04ANKHTzJHp2e/Ava6f3uvNekyAADq7AEAx7auZ1CVrw7dfTJi',
  'e8X0yYhiVQx+oGuPEOg3IRsvGb8BAOhXnS1cYcuto9VZHrm6nKIWgCNBjWpnC5PegmiMkeAFzjMEXgvhABYJKwYBBAHaRw8B',
  'AQdACPMBC2NmuCEGdRJvosAirjbKONc90dwDv5r1Jrr/rcPCwLsEGBYKAS0Fgl4L4QAJEPa6f3uvNekyRRQAAAAAABwAIHNh',
  'bHRAbm90YXRpb25zLm9wZW5wZ3Bqcy5vcmeajtsYjiAK0tXgDAMf46ML+ze6v9/8RSbRm43ypIg3aQKbArygBBkWCgBtBYJe',
  'C+EACRDyI+D7HuPypUUUAAAAAAAcACBzYWx0QG5vdGF0aW9ucy5vcGVucGdwanMub3JnBRlW9HStvTdCjuVMojpTd53Ou2De',
  '1/BVPw4wwnSzCJ8WIQTl+NuvYeFY33bFHsPyI+D7HuPypQAApUUA/2IVqc+5tlHHyF/fzNRc9tj0/G3u9dLWp7JmPB8wDT5O',
  'AP9SUev236JK0mOahky2NjCbCVo1kXBjjy9q/SVrdrQVDxYhBA04ANKHTzJHp2e/Ava6f3uvNekyAAD5SwEAoT0qC/PJxXXD',
  'Pp2oMZwtF7EVx8PlSvn1fxSrXIQJoKIBAOX/mY4jhX0/v8NaNfZS/9zYF1qXqc0D8Ixn/l3L7doK',
].join('');

const INIT = { secret_shares: 3, secret_threshold: 2 };

describe('sys/rotate/root', () => {
  it('hands out new shares for enough old ones', async () => {
    const { call, seal } = world();
    const started = (await outcome(call('update', 'rotate/root/init', INIT))) as Data;
    expect(started).toEqual({
      started: true,
      nonce: started.nonce,
      t: 2,
      n: 3,
      progress: 0,
      required: 2,
      verification_required: false,
      verification_nonce: '',
    });
    const { nonce } = started;
    const first = await outcome(call('update', 'rotate/root/update', { nonce, key: seal.share(0) }));
    expect(first).toMatchObject({ progress: 1, started: true });
    const done = (await outcome(call('update', 'rotate/root/update', { nonce, key: seal.share(2) }))) as Data;
    expect(done).toMatchObject({ complete: true, nonce, verification_required: false });
    const keys = done.keys as string[];
    expect(keys).toHaveLength(3);
    expect(Buffer.from(combine(keys.slice(1).map((key) => Buffer.from(key, 'hex')))).equals(seal.key)).toBe(true);
    expect(await outcome(call('read', 'rotate/root/init'))).toEqual({ started: false, t: 0, n: 0, required: 2 });
  });

  it.each<[Data, string]>([
    [{ secret_shares: 0, secret_threshold: 0 }, 'invalid seal configuration: shares must be at least one'],
    [{ secret_shares: 2, secret_threshold: 3 }, 'invalid seal configuration: threshold cannot be larger than shares'],
    [{ ...INIT, pgp_keys: ['x'] }, 'incorrect number of PGP keys'],
    [{ ...INIT, pgp_keys: ['x', 'y', 'z'] }, 'error parsing PGP key'],
  ])('refuses %j', async (sent, text) => {
    const { call } = world();
    const [status, said] = (await outcome(call('update', 'rotate/root/init', sent))) as [number, string];
    expect(status).toBe(400);
    expect(said).toContain(text);
    expect(await outcome(call('read', 'rotate/root/init'))).toMatchObject({ started: false });
  });

  it('refuses a second attempt, wrong nonces, repeated and foreign shares', async () => {
    const { call, seal } = world();
    const give = (sent: Data) => outcome(call('update', 'rotate/root/update', sent));
    expect(await give({ nonce: 'x', key: seal.share(0) })).toEqual([400, 'no rotation in progress']);
    const { nonce } = (await outcome(call('update', 'rotate/root/init', INIT))) as Data;
    expect(await outcome(call('update', 'rotate/root/init', INIT))).toEqual([400, 'rotation already in progress']);
    expect(await give({ nonce })).toEqual([400, "missing required field 'key'"]);
    expect(await give({ key: 'abcd' })).toEqual([400, "missing required field 'nonce'"]);
    expect(await give({ nonce: 'wrong', key: 'abcd' })).toEqual([
      400,
      `incorrect nonce supplied; nonce for rotation is "${String(nonce)}"`,
    ]);
    expect(await give({ nonce, key: 'abcd' })).toEqual([400, 'a key share has 33 bytes, got 2']);
    await give({ nonce, key: seal.share(0) });
    expect(await give({ nonce, key: seal.share(0) })).toEqual([
      400,
      'given key has already been provided during this rotation',
    ]);
    const foreign = Buffer.from(split(systemRandom.bytes(32), 3, 2, systemRandom)[1] ?? []).toString('hex');
    expect(await give({ nonce, key: foreign })).toEqual([
      400,
      'root key verification failed: the key shares do not fit',
    ]);
    expect(await outcome(call('read', 'rotate/root/init'))).toMatchObject({ started: true, progress: 0 });
    await call('delete', 'rotate/root/init');
    expect(await outcome(call('read', 'rotate/root/init'))).toMatchObject({ started: false });
  });

  it('waits for new shares to come back where verification is asked for', async () => {
    const { call, seal } = world();
    const before = seal.key;
    const { nonce } = (await outcome(
      call('update', 'rotate/root/init', { ...INIT, require_verification: true }),
    )) as Data;
    expect(await outcome(call('update', 'rotate/root/verify', { nonce, key: seal.share(0) }))).toEqual([
      400,
      'no rotation verification in progress',
    ]);
    await call('update', 'rotate/root/update', { nonce, key: seal.share(0) });
    const made = (await outcome(call('update', 'rotate/root/update', { nonce, key: seal.share(1) }))) as Data;
    expect(seal.key).toBe(before);
    const keys = made.keys as string[];
    const verify = (key: string | undefined, by: unknown) =>
      outcome(call('update', 'rotate/root/verify', { nonce: by, key }));
    expect(await verify(seal.share(0), made.verification_nonce)).toMatchObject({ progress: 1, started: true });
    // Where a share lies on the curve is drawn: one that lies where the first does would be taken for the same.
    const elsewhere = keys.find((key) => key.slice(-2) !== seal.share(0).slice(-2));
    expect(await verify(elsewhere, made.verification_nonce)).toEqual([
      400,
      'rotation verification failed; incorrect key shares supplied',
    ]);
    await verify(keys[0], made.verification_nonce);
    const again = (await outcome(call('delete', 'rotate/root/verify'))) as Data;
    expect(again).toMatchObject({ progress: 0, started: true });
    expect(again.nonce).not.toBe(made.verification_nonce);
    await verify(keys[0], again.nonce);
    expect(seal.key).toBe(before);
    expect(await verify(keys[1], again.nonce)).toEqual({ complete: true, nonce: again.nonce });
    expect(seal.key).not.toBe(before);
  });

  it('takes shares in turn however they arrive', async () => {
    const { call, seal } = world();
    const { nonce } = (await outcome(call('update', 'rotate/root/init', INIT))) as Data;
    const answers = await Promise.all(
      [0, 1, 2].map((index) => outcome(call('update', 'rotate/root/update', { nonce, key: seal.share(index) }))),
    );
    expect(answers.filter((answer) => (answer as Data).complete === true)).toHaveLength(1);
    expect(answers[2]).toEqual([400, 'no rotation in progress']);
  });

  it('hands out the new shares where it is unknown whether they count: else nobody might ever unseal again', async () => {
    const { call, seal } = world();
    const { nonce } = (await outcome(call('update', 'rotate/root/init', INIT))) as Data;
    await call('update', 'rotate/root/update', { nonce, key: seal.share(0) });
    seal.failure = new StorageError('in-doubt', 'the leader is gone');
    const answer = await call('update', 'rotate/root/update', { nonce, key: seal.share(1) });
    expect(answer?.data).toMatchObject({ complete: true, outcome_unknown: true });
    expect(answer?.data?.keys).toHaveLength(3);
    expect(answer?.warnings?.join()).toContain('keep these and the old ones');
  });

  it('keeps the old shares where the change failed for certain', async () => {
    const { call, seal } = world();
    const { nonce } = (await outcome(call('update', 'rotate/root/init', INIT))) as Data;
    await call('update', 'rotate/root/update', { nonce, key: seal.share(0) });
    seal.failure = new StorageError('not-active', 'another node is');
    const given = call('update', 'rotate/root/update', { nonce, key: seal.share(1) });
    await expect(given).rejects.toMatchObject({ code: 'not-active' });
    expect(await outcome(call('read', 'rotate/root/init'))).toMatchObject({ started: true, progress: 0 });
  });

  it('has no recovery keys and no backup', async () => {
    const { call } = world();
    expect(await outcome(call('read', 'rotate/recovery/init'))).toEqual([400, 'recovery keys not supported']);
    expect(await outcome(call('read', 'rotate/root/backup'))).toEqual([400, 'no backed-up keys found']);
  });
});

describe('sys/rekey and sys/generate-root', () => {
  it('answer with all members, whatever there is to tell', async () => {
    const { call, seal } = world();
    const rekey = { nonce: '', progress: 0, pgp_fingerprints: null, backup: false, verification_required: false };
    expect(await outcome(call('read', 'rekey/init'))).toEqual({ started: false, t: 0, n: 0, required: 2, ...rekey });
    const shares = { secret_shares: 3, secret_threshold: 2 };
    expect(await outcome(call('update', 'rekey/init', { ...shares, backup: true }))).toMatchObject([
      400,
      expect.stringContaining('without providing PGP keys'),
    ]);
    const begun = (await outcome(call('update', 'rekey/init', shares))) as Data;
    expect(begun).toEqual({ ...rekey, started: true, nonce: expect.any(String), t: 2, n: 3, required: 2 });
    for (const index of [0, 1])
      expect(
        await outcome(call('update', 'rekey/update', { nonce: begun.nonce, key: seal.share(index) })),
      ).toMatchObject({ pgp_fingerprints: null, backup: false });
    const root = { nonce: '', pgp_fingerprint: '', encoded_token: '', encoded_root_token: '', otp: '', otp_length: 26 };
    expect(await outcome(call('read', 'generate-root/attempt'))).toMatchObject(root);
    const { nonce } = (await outcome(call('update', 'generate-root/attempt', {}))) as Data;
    const given = await outcome(call('update', 'generate-root/update', { nonce, key: seal.share(0) }));
    expect(given).toMatchObject({ ...root, nonce, otp_length: 0, progress: 1 });
  });

  it('ask for no token, where a listener opens them', async () => {
    const { call, paths } = world();
    expect((await call('read', 'rekey/init'))?.bare).toBe(true);
    expect(await outcome(call('read', 'generate-root/attempt'))).toMatchObject({ started: false, otp_length: 26 });
    const opened = paths.filter(({ openedBy }) => openedBy !== undefined);
    expect(opened.map(({ pattern, openedBy }) => `${pattern}: ${String(openedBy)}`)).toEqual([
      'rekey/init: unauthenticated-rekey',
      'rekey/update: unauthenticated-rekey',
      'rekey/verify: unauthenticated-rekey',
      'rekey-recovery-key/init: unauthenticated-rekey',
      'rekey-recovery-key/update: unauthenticated-rekey',
      'rekey-recovery-key/verify: unauthenticated-rekey',
      'generate-root/attempt: unauthenticated-generate-root',
      'generate-root/update: unauthenticated-generate-root',
    ]);
    expect(opened.every(({ unauthenticated }) => unauthenticated)).toBe(true);
    const open = paths.filter(({ unauthenticated }) => unauthenticated);
    expect(open.filter(({ openedBy }) => openedBy === undefined).map(({ pattern }) => pattern)).toEqual([
      'decode-token',
    ]);
  });
});

describe('sys/generate-root-token', () => {
  it('makes a token that only the password shows', async () => {
    const { call, seal, created, revoked } = world();
    const started = (await outcome(call('update', 'generate-root-token/attempt'))) as Data;
    expect(started).toMatchObject({ started: true, complete: false, progress: 0, required: 2, pgp_fingerprint: '' });
    const { nonce, otp } = started;
    expect(otp).toHaveLength(26);
    expect(await outcome(call('read', 'generate-root-token/attempt'))).toMatchObject({ otp: '', nonce });
    await call('update', 'generate-root-token/update', { nonce, key: seal.share(0) });
    const done = (await outcome(call('update', 'generate-root-token/update', { nonce, key: seal.share(1) }))) as Data;
    expect(done).toMatchObject({ complete: true, progress: 2, started: true });
    const token = await outcome(call('update', 'decode-token', { encoded_token: done.encoded_token, otp }));
    expect((token as Data).token).toMatch(/^s\.[0-9A-Za-z]{24}$/);
    expect([created, revoked]).toEqual([[(token as Data).token], []]);
    expect(await outcome(call('read', 'generate-root-token/attempt'))).toMatchObject({ started: false });
  });

  it('refuses what is wrong', async () => {
    const { call, seal } = world();
    const start = (sent: Data) => outcome(call('update', 'generate-root-token/attempt', sent));
    const give = (sent: Data) => outcome(call('update', 'generate-root-token/update', sent));
    expect(await start({ otp: 'short' })).toEqual([400, 'OTP string has incorrect length']);
    expect(await start({ pgp_key: 'no key' })).toMatchObject([400, expect.stringContaining('PGP key')]);
    const { nonce } = (await start({})) as Data;
    expect(await start({})).toEqual([400, 'root generation already in progress for this namespace']);
    expect(await give({ nonce })).toEqual([400, 'key is required']);
    expect(await give({ nonce, key: 'z!' })).toMatchObject([400, expect.stringContaining('hex or base64')]);
    expect(await give({ nonce, key: 'abcd' })).toMatchObject([400, expect.stringContaining('shorter than minimum 16')]);
    expect(await give({ nonce: 'wrong', key: seal.share(0) })).toEqual([
      400,
      `incorrect nonce supplied; nonce for this root generation operation is "${String(nonce)}"`,
    ]);
    await give({ nonce, key: seal.share(0) });
    const foreign = Buffer.from(split(systemRandom.bytes(32), 3, 2, systemRandom)[1] ?? []).toString('hex');
    expect(await give({ nonce, key: foreign })).toMatchObject([
      400,
      expect.stringContaining('root generation aborted'),
    ]);
    await call('delete', 'generate-root-token/attempt');
    expect(await give({ nonce, key: seal.share(0) })).toMatchObject([
      400,
      expect.stringContaining('no root generation'),
    ]);
  });

  it.each<[Data, string]>([
    [{ encoded_token: 'AAAA' }, "provided 'encoded_token' or 'otp' is empty"],
    [{ encoded_token: 'zz', otp: 'abc' }, 'error xoring token: length of byte slices is not equivalent: 1 != 3'],
    [{ encoded_token: '!!', otp: 'abc' }, 'error decoding token: illegal base64 data'],
  ])('does not decode %j', async (sent, text) => {
    expect(await outcome(world().call('update', 'decode-token', sent))).toEqual([400, text]);
  });

  it('revokes a token that it cannot hide', async () => {
    const { call, seal, created, revoked } = world();
    const { nonce } = (await outcome(call('update', 'generate-root-token/attempt', { pgp_key: SIGNING_KEY }))) as Data;
    await call('update', 'generate-root-token/update', { nonce, key: seal.share(0) });
    await expect(call('update', 'generate-root-token/update', { nonce, key: seal.share(1) })).rejects.toThrow(
      'cannot be used to encrypt',
    );
    expect(created).toHaveLength(1);
    expect(revoked).toEqual(created);
  });

  it('decodes what it encodes', () => {
    expect(decodeToken(encodeToken('s.token', 'a-secre'), 'a-secre')).toBe('s.token');
    expect(encodeToken('s.token', 'a-secre')).not.toContain('=');
  });
});
