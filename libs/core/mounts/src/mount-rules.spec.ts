import type { MountEntry } from '@coffer/core-api';
import { changedOptions, changedTuning, cleanMountPath, refuseOverlap, refuseProtected } from './mount-rules.ts';
import { NO_TUNING } from './mount-record.ts';

const at = (path: string): MountEntry => ({ table: 'auth', path }) as unknown as MountEntry;

describe('the path of a mount', () => {
  it.each(['a b', 'a.b', 'ä', 'a/b/c'])('may be %j', (path) => {
    expect(cleanMountPath(`/${path}/`)).toBe(`${path}/`);
  });

  it.each(['', '/', 'a//b', '.', 'a/../b', 'a*', '+', ' a', 'a ', 'a\nb'])('may not be %j', (path) => {
    expect(() => cleanMountPath(path)).toThrow(/^path /);
  });

  it('is of no other mount, above or below, and not of the core', () => {
    expect(() => refuseOverlap([at('a/b/')], 'a/')).toThrow('path is already in use at a/b/');
    expect(() => refuseOverlap([at('a/')], 'a/b/')).toThrow('path is already in use at a/');
    expect(() => refuseOverlap([at('a/')], 'ab/')).not.toThrow();
    for (const path of ['sys/x/', 'auth/', 'cubbyhole/', 'identity/', 'audit/x/'])
      expect(() => refuseProtected('secret', path, 'mount')).toThrow(`cannot mount "${path}"`);
    expect(() => refuseProtected('auth', 'audit/', 'mount')).not.toThrow();
  });
});

describe('what is changed of a mount', () => {
  it('leaves the rest, within the lockout too', () => {
    const first = changedTuning(NO_TUNING, { maxLeaseTtlSeconds: 5, userLockout: { threshold: 7 } });
    expect(first).toMatchObject({
      maxLeaseTtlSeconds: 5,
      defaultLeaseTtlSeconds: 0,
      userLockout: { threshold: 7, durationSeconds: 0, counterResetSeconds: 0, disabled: false },
    });
    const second = changedTuning(first, { userLockout: { disabled: true } });
    expect(second).toMatchObject({ maxLeaseTtlSeconds: 5, userLockout: { threshold: 7, disabled: true } });
    expect(changedTuning(second, { forceNoCache: true }).userLockout).toEqual(second.userLockout);
  });

  it('takes an option away by an empty text, but not the version', () => {
    expect(changedOptions({ a: '1', b: '2', version: '2' }, { a: '', c: '3', version: '' })).toEqual({
      b: '2',
      c: '3',
      version: '',
    });
  });
});
