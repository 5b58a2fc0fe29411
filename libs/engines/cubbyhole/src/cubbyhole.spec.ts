import { describeEngine, openEngine } from '@coffer/testing';
import { CubbyholeEngine } from './cubbyhole.engine.ts';

describeEngine('cubbyhole', new CubbyholeEngine());

describe('cubbyhole', () => {
  it('shows what a token wrote to that token alone', async () => {
    const engine = await openEngine(new CubbyholeEngine());
    const other = { caller: { saltedTokenId: 'salted-2' } };
    await engine.update('app', { password: 'p' });
    expect((await engine.read('app'))?.data).toEqual({ password: 'p' });
    expect(await engine.read('app', {}, other)).toBeUndefined();
    expect(await engine.list('', {}, other)).toEqual([]);
    await engine.delete('app', {}, other);
    expect(await engine.list('')).toEqual(['app']);
  });

  it('has no space for batch tokens', async () => {
    const engine = await openEngine(new CubbyholeEngine());
    const batch = { caller: { tokenType: 'batch' as const } };
    await expect(engine.update('app', { a: 1 }, batch)).rejects.toThrow('only supported by service tokens');
  });
});
