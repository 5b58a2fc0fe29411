import { SeededRandom } from '../sim/seeded-random.ts';
import { checkLinearizable } from './checker.ts';
import { registerModel } from './register-model.ts';
import type { Register, RegisterInput, RegisterOperation, RegisterOutput } from './register-model.ts';

/** Tries every order, without caching, partitions or lists: slow, and easy to believe. */
function explicable(left: readonly RegisterOperation[], state: Register): boolean {
  if (left.every(({ end }) => end === Infinity)) return true;
  const earliestEnd = Math.min(...left.map(({ end }) => end));
  return left.some((operation, index) => {
    if (operation.start > earliestEnd) return false;
    const next = registerModel.step(state, operation.input, operation.output);
    return next !== undefined && explicable(left.toSpliced(index, 1), next);
  });
}

function randomOperation(client: number, random: SeededRandom): RegisterOperation {
  const key = 'k';
  const value = random.pick(['a', 'b']);
  const maybe = random.pick(['a', 'b', undefined]);
  const [input, output]: readonly [RegisterInput, RegisterOutput] = random.pick([
    [
      { kind: 'get', key },
      { kind: 'got', value: maybe },
    ] as const,
    [{ kind: 'put', key, value }, { kind: 'stored' }] as const,
    [
      { kind: 'cas', key, expected: maybe, value },
      { kind: 'compared', swapped: random.chance(500) },
    ] as const,
  ]);
  const start = random.below(12);
  if (random.chance(200)) return { client, start, end: Infinity, input };
  return { client, start, end: start + random.below(6), input, output };
}

describe('the linearizability checker', () => {
  it('agrees with trying every order, on thousands of small histories', () => {
    const random = new SeededRandom(20);
    const verdicts = { yes: 0, no: 0 };
    for (let round = 0; round < 4000; round += 1) {
      const history = Array.from({ length: random.between(1, 6) }, (_, client) => randomOperation(client, random));
      const expected = explicable(history, registerModel.initial());
      verdicts[expected ? 'yes' : 'no'] += 1;
      const { verdict } = checkLinearizable(registerModel, history);
      if ((verdict === 'linearizable') !== expected) throw new Error(`${verdict}: ${JSON.stringify(history)}`);
    }
    expect(verdicts.yes).toBeGreaterThan(500);
    expect(verdicts.no).toBeGreaterThan(500);
  });
});
