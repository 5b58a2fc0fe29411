import { Turns } from './turns.ts';

describe('turns', () => {
  it('runs one thing after the other, and tells only the one who asked of a failure', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const step = async (name: string): Promise<string> => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
      if (name === 'b') throw new Error(name);
      return name;
    };
    const all = await Promise.allSettled(['a', 'b', 'c'].map((name) => turns.take(() => step(name))));
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(seen).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });
});
