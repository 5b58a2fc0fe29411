import type { MountEntry, MountTuning } from '@coffer/core-api';
import { lockoutData, mountData, readTuning } from './mount-data.ts';
import { judgeTuning } from './tuning-rules.ts';
import type { AskedTuning } from './tuning-rules.ts';

const entry = (type: string, more: Partial<MountEntry> = {}): MountEntry =>
  ({
    table: 'secret',
    path: `${type}/`,
    type,
    options: {},
    tuning: { defaultLeaseTtlSeconds: 0, maxLeaseTtlSeconds: 0, forceNoCache: false } satisfies MountTuning,
    ...more,
  }) as unknown as MountEntry;

const nothing: AskedTuning = {
  options: undefined,
  token_type: undefined,
  user_lockout_config: undefined,
  plugin_version: undefined,
};
const judge = (mount: MountEntry, asked: Partial<AskedTuning>): readonly string[] =>
  judgeTuning(mount, { ...nothing, ...asked }, Object.keys(asked));
const auth = (type: string): MountEntry => entry(type, { table: 'auth' });

describe('judgeTuning', () => {
  it.each(['system', 'cubbyhole', 'identity'])('leaves the %s mount as it is, but for what audit shows', (type) => {
    const tune = (...sent: string[]) => judgeTuning(entry(type), nothing, sent);
    expect(tune('path', 'audit_non_hmac_request_keys', 'audit_non_hmac_response_keys')).toEqual([]);
    expect(() => tune('audit_non_hmac_request_keys', 'default_lease_ttl')).toThrow(
      `cannot tune parameter default_lease_ttl of ${type}/`,
    );
  });

  it('takes types of tokens for auth methods only, and not for the token store', () => {
    expect(judge(auth('userpass'), { token_type: 'batch' })).toEqual([]);
    expect(() => judge(entry('kv'), { token_type: 'batch' })).toThrow('only be modified on auth mounts');
    expect(() => judge(auth('token'), { token_type: 'batch' })).toThrow('cannot be set');
  });

  it('takes a lockout where there are users only', () => {
    expect(judge(auth('approle'), { user_lockout_config: { lockout_threshold: 1 } })).toEqual([]);
    expect(judge(auth('token'), { user_lockout_config: {} })).toEqual([]);
    expect(() => judge(auth('token'), { user_lockout_config: { lockout_threshold: 1 } })).toThrow('not allowed');
  });

  it('takes no version that is not there', () => {
    expect(() => judge(entry('kv'), { plugin_version: 'v9.0.0' })).toThrow('kv, version=v9.0.0');
  });

  it('makes a store one of version 2, and never one of version 1 again', () => {
    const version = (before: string | undefined, after: string) =>
      judge(entry('kv', { options: before === undefined ? {} : { version: before } }), { options: { version: after } });
    expect(version('1', '2')).toEqual([expect.stringContaining('from version 1 to version 2')]);
    expect(version('2', '2')).toEqual([]);
    expect(judge(entry('kv'), { options: { other: 'x' } })).toEqual([]);
    expect(() => version('2', '1')).toThrow('cannot downgrade mount from version 2');
    for (const wrong of ['7', '0', '-1']) expect(() => version('2', wrong)).toThrow('invalid version provided');
    for (const wrong of ['two', '', '1.5']) expect(() => version('2', wrong)).toThrow('unable to parse options');
  });
});

describe('the settings of a mount', () => {
  it('are those that were sent: an empty TTL is none, "system" the default', () => {
    expect(readTuning({ default_lease_ttl: '', max_lease_ttl: 'system', token_type: '' })).toEqual({
      maxLeaseTtlSeconds: 0,
      tokenType: 'default-service',
    });
    expect(() => readTuning({ token_type: 'default' })).toThrow("invalid value for 'token_type'");
    expect(() => readTuning({ default_lease_ttl: '-1h' })).toThrow('default TTL');
  });

  it('change only those settings of the lockout that were sent', () => {
    const sent = { lockout_duration: '5m', lockout_disable: 'false' };
    expect(readTuning({ user_lockout_config: sent })).toEqual({
      userLockout: { durationSeconds: 300, disabled: false },
    });
    for (const wrong of [{ lockout_threshold: -1 }, { lockout_duration: 'soon' }, { lockout_disable: 'maybe' }])
      expect(() => readTuning({ user_lockout_config: wrong })).toThrow('user_lockout_config: lockout_');
  });

  it('show the lockout once it was tuned, and no options of what belongs to the core', () => {
    const mount = auth('token');
    expect(lockoutData(mount)).toBeUndefined();
    expect(mountData(mount, '1.0.0')).toMatchObject({ options: null });
    expect(mountData(entry('kv'), '1.0.0')).toMatchObject({ options: {} });
    const userLockout = { disabled: true, threshold: 3, durationSeconds: 0, counterResetSeconds: 0 };
    const tuned = { ...mount, tuning: { ...mount.tuning, userLockout } };
    expect(mountData(tuned, '1.0.0').config).toMatchObject({
      user_lockout_config: { user_lockout_disable: true, user_lockout_threshold: 3 },
    });
  });
});
