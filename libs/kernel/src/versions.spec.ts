import { compareVersions, isVersion } from './versions.ts';

describe('versions', () => {
  it.each(['1', '1.2', '1.2.3', 'v1.2.3', '1.2.3.4', '1.2.3-rc.1', '1.2.3-rc.1+build.7', '1.21.0+coffer.0.1.0'])(
    'may be %s',
    (text) => {
      expect(isVersion(text)).toBe(true);
    },
  );

  it.each(['', 'latest', '1.', '.1', '1.2.3.4.5', '1.2.3-', '1.2.3+', '1.2 3', '1.2.3-ä', '-1', '1'.repeat(129)])(
    'cannot be %j',
    (text) => {
      expect(isVersion(text)).toBe(false);
    },
  );

  it('are ordered as semantic versioning has it, builds of the same one too', () => {
    const inOrder = [
      'not a version',
      '0.9',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0',
      '1.0.0+coffer.0.9.0',
      '1.0.0+coffer.0.10.0',
      '1.0.1-rc.1+z',
      '1.0.1',
      '1.2',
      '1.10.0',
    ];
    for (const [at, left] of inOrder.entries()) {
      for (const [other, right] of inOrder.entries()) {
        expect([left, right, Math.sign(compareVersions(left, right))]).toEqual([left, right, Math.sign(at - other)]);
      }
    }
  });

  it('are the same with and without zeros that say nothing', () => {
    expect(compareVersions('1.2', 'v1.2.0.0')).toBe(0);
  });
});
