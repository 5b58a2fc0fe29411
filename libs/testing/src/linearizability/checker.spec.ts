import { checkLinearizable, printOffence } from './checker.ts';
import type { CheckResult } from './checker.ts';
import { registerModel } from './register-model.ts';
import type { RegisterInput, RegisterOperation, RegisterOutput } from './register-model.ts';
import { subKeysModel } from './sub-keys-model.ts';
import type { SubKeysInput, SubKeysOperation, SubKeysOutput } from './sub-keys-model.ts';
import { SeededRandom } from '../sim/seeded-random.ts';

function known(
  client: number,
  start: number,
  end: number,
  input: RegisterInput,
  output: RegisterOutput,
): RegisterOperation {
  return { client, start, end, input, output };
}

function put(client: number, start: number, end: number, value: string, key = 'k'): RegisterOperation {
  const input = { kind: 'put', key, value } as const;
  return end === Infinity ? { client, start, end, input } : known(client, start, end, input, { kind: 'stored' });
}

function get(client: number, start: number, end: number, value: string | undefined, key = 'k'): RegisterOperation {
  return known(client, start, end, { kind: 'get', key }, { kind: 'got', value });
}

function cas(
  client: number,
  start: number,
  end: number,
  expected: string | undefined,
  value: string,
  swapped: boolean,
): RegisterOperation {
  return known(client, start, end, { kind: 'cas', key: 'k', expected, value }, { kind: 'compared', swapped });
}

function verdict(history: readonly RegisterOperation[]): CheckResult['verdict'] {
  return checkLinearizable(registerModel, history).verdict;
}

describe('the linearizability checker', () => {
  it('accepts an empty history', () => {
    expect(verdict([])).toBe('linearizable');
  });

  it('accepts a sequential history', () => {
    expect(verdict([put(1, 0, 1, 'a'), get(2, 2, 3, 'a'), cas(1, 4, 5, 'a', 'b', true), get(2, 6, 7, 'b')])).toBe(
      'linearizable',
    );
  });

  it('accepts both orders of concurrent calls', () => {
    expect(verdict([put(1, 0, 9, 'a'), get(2, 1, 2, undefined)])).toBe('linearizable');
    expect(verdict([put(1, 0, 9, 'a'), get(2, 1, 2, 'a')])).toBe('linearizable');
  });

  it('takes calls that touch in time for concurrent', () => {
    expect(verdict([put(1, 0, 5, 'a'), get(2, 5, 6, undefined)])).toBe('linearizable');
    expect(verdict([put(1, 0, 5, 'a'), get(2, 6, 7, undefined)])).toBe('not-linearizable');
  });

  it('refuses a stale read', () => {
    expect(verdict([put(1, 0, 1, 'a'), put(1, 2, 3, 'b'), get(2, 4, 5, 'a')])).toBe('not-linearizable');
  });

  it('refuses reads that go back in time under one concurrent write', () => {
    expect(verdict([put(1, 0, 1, 'a'), put(2, 2, 99, 'b'), get(3, 3, 4, 'b'), get(4, 5, 6, 'a')])).toBe(
      'not-linearizable',
    );
  });

  it('refuses a lost update', () => {
    const history = [put(1, 0, 1, 'a'), cas(1, 2, 5, 'a', 'b', true), cas(2, 3, 6, 'a', 'c', true)];
    expect(verdict(history)).toBe('not-linearizable');
  });

  it('refuses a swap that was denied though the value was there', () => {
    expect(verdict([put(1, 0, 1, 'a'), cas(1, 2, 5, 'a', 'b', false)])).toBe('not-linearizable');
  });

  it('refuses a value that nobody wrote', () => {
    expect(verdict([put(1, 0, 1, 'a'), get(2, 0, 5, 'x')])).toBe('not-linearizable');
  });

  it('lets a write of unknown outcome happen, late, or never', () => {
    const lost = put(1, 0, Infinity, 'a');
    expect(verdict([lost, get(2, 1, 2, undefined)])).toBe('linearizable');
    expect(verdict([lost, get(2, 1, 2, undefined), get(2, 3, 4, 'a')])).toBe('linearizable');
    expect(verdict([lost, get(2, 1, 2, 'a')])).toBe('linearizable');
  });

  it('lets a write of unknown outcome neither happen before its call nor be undone', () => {
    expect(verdict([get(2, 0, 1, 'a'), put(1, 2, Infinity, 'a')])).toBe('not-linearizable');
    expect(verdict([put(1, 0, Infinity, 'a'), get(2, 1, 2, 'a'), get(2, 3, 4, undefined)])).toBe('not-linearizable');
  });

  it('lets a write of unknown outcome happen at most once', () => {
    const history = [
      put(1, 0, Infinity, 'a'),
      put(2, 1, 2, 'b'),
      get(2, 3, 4, 'a'),
      put(2, 5, 6, 'c'),
      get(2, 7, 8, 'a'),
    ];
    expect(verdict(history)).toBe('not-linearizable');
  });

  it('checks keys alone', () => {
    expect(verdict([put(1, 0, 1, 'a', 'x'), put(1, 2, 3, 'b', 'y'), get(2, 4, 5, 'a', 'x')])).toBe('linearizable');
    expect(verdict([put(1, 0, 1, 'a', '__proto__'), get(2, 4, 5, undefined, '__proto__')])).toBe('not-linearizable');
  });

  it('shows where the history stops being explicable', () => {
    const result = checkLinearizable(registerModel, [
      put(1, 0, 1, 'a'),
      put(1, 2, 3, 'b'),
      get(2, 4, 5, 'a'),
      get(3, 4, 6, 'b'),
    ]);
    if (result.verdict !== 'not-linearizable') throw new Error(`verdict ${result.verdict}`);
    expect(printOffence(result.offence)).toBe(
      [
        'partition k: the history is explained up to here:',
        '  [0, 1] client 1: put k "a" -> stored',
        '  [2, 3] client 1: put k "b" -> stored',
        '  [4, 6] client 3: get k -> "b"',
        'state then: "b"',
        'none of these can come next:',
        '  [4, 5] client 2: get k -> "a"',
      ].join('\n'),
    );
    expect(printOffence(result.offence, 1)).toContain('  (2 operations before)\n  [4, 6]');
  });

  it('gives up where it was told to', () => {
    const writes = Array.from({ length: 12 }, (_, index) => put(index, 0, 100, `v${index}`));
    const history = [...writes, get(20, 101, 102, 'none of them')];
    expect(checkLinearizable(registerModel, history, { stepsMax: 1000 })).toEqual({
      verdict: 'undecided',
      steps: 1000,
      partition: 'k',
    });
    expect(verdict(history)).toBe('not-linearizable');
  });

  it('refuses a history that cannot be one', () => {
    expect(() => verdict([put(1, 5, 4, 'a')])).toThrow('no operation ends before it starts');
    const answered: RegisterOperation = { ...put(1, 0, 1, 'a'), end: Infinity };
    expect(() => verdict([answered])).toThrow('an output exactly where there is an end');
  });

  it('decides ten thousand operations of five clients on one key in about one step each', () => {
    const history = concurrentHistory(10_000, 5, new SeededRandom(1));
    const result = checkLinearizable(registerModel, history, { stepsMax: 1_000_000 });
    expect(result.verdict).toBe('linearizable');
    expect(result.steps).toBeLessThan(200_000);
    const spoilt = history.map((operation, index) =>
      index === 9_000
        ? { ...operation, input: { kind: 'get', key: 'k' } as const, output: { kind: 'got', value: 'never' } as const }
        : operation,
    );
    expect(checkLinearizable(registerModel, spoilt).verdict).toBe('not-linearizable');
  });
});

/** Clients whose calls overlap, on a register that does each call at a moment between its start and its end. */
function concurrentHistory(count: number, clients: number, random: SeededRandom): RegisterOperation[] {
  const history: RegisterOperation[] = [];
  const free = new Array<number>(clients).fill(0);
  const pending: { readonly at: number; readonly operation: RegisterOperation }[] = [];
  for (let made = 0; made < count; made += 1) {
    const client = free.indexOf(Math.min(...free));
    const start = (free[client] ?? 0) + random.below(3);
    const at = start + random.below(5);
    const end = at + random.below(5);
    const kind = random.below(3);
    const operation =
      kind === 0
        ? put(client, start, end, `v${made}`)
        : kind === 1
          ? get(client, start, end, undefined)
          : cas(client, start, end, `v${made - 1 - random.below(4)}`, `v${made}`, false);
    pending.push({ at, operation });
    free[client] = end + 1;
  }
  let value: string | undefined;
  for (const { operation } of pending.toSorted((a, b) => a.at - b.at)) {
    const { input } = operation;
    if (input.kind === 'get') history.push({ ...operation, output: { kind: 'got', value } });
    else if (input.kind === 'put') {
      value = input.value;
      history.push(operation);
    } else {
      const swapped = value === input.expected;
      if (swapped) value = input.value;
      history.push({ ...operation, output: { kind: 'compared', swapped } });
    }
  }
  return history;
}

describe('the sub-keys model', () => {
  const call = (
    client: number,
    start: number,
    end: number,
    input: SubKeysInput,
    output?: SubKeysOutput,
  ): SubKeysOperation =>
    output === undefined ? { client, start, end: Infinity, input } : { client, start, end, input, output };
  const patch = (
    client: number,
    start: number,
    end: number,
    subKey: string,
    value: string | null,
    found = true,
  ): SubKeysOperation =>
    call(client, start, end, { kind: 'patch', path: 'p', changes: [[subKey, value]] }, { kind: 'patched', found });
  const read = (start: number, data: readonly (readonly [string, string])[] | undefined): SubKeysOperation =>
    call(9, start, start + 1, { kind: 'read', path: 'p' }, { kind: 'data', data });
  const create = call(1, 0, 1, { kind: 'replace', path: 'p', data: [['a', '0']] }, { kind: 'replaced' });
  const check = (history: readonly SubKeysOperation[]): string => checkLinearizable(subKeysModel, history).verdict;

  it('keeps what concurrent patches did to different sub-keys', () => {
    const patches = [create, patch(1, 2, 9, 'b', '1'), patch(2, 3, 8, 'c', '2')];
    expect(
      check([
        ...patches,
        read(10, [
          ['c', '2'],
          ['b', '1'],
          ['a', '0'],
        ]),
      ]),
    ).toBe('linearizable');
  });

  it('refuses a patch that was lost to another', () => {
    const patches = [create, patch(1, 2, 9, 'b', '1'), patch(2, 3, 8, 'c', '2')];
    expect(
      check([
        ...patches,
        read(10, [
          ['a', '0'],
          ['c', '2'],
        ]),
      ]),
    ).toBe('not-linearizable');
  });

  it('removes sub-keys set to null, and patches nothing where nothing is', () => {
    expect(check([create, patch(1, 2, 3, 'a', null), read(4, [])])).toBe('linearizable');
    expect(check([patch(1, 2, 3, 'a', '1', false), read(4, undefined)])).toBe('linearizable');
    expect(check([patch(1, 2, 3, 'a', '1', true)])).toBe('not-linearizable');
    const removed = call(1, 2, 3, { kind: 'delete', path: 'p' }, { kind: 'deleted' });
    expect(check([create, removed, patch(1, 4, 5, 'a', '1', true)])).toBe('not-linearizable');
  });

  it('lets a patch of unknown outcome happen whole or not at all', () => {
    const unknown = call(1, 2, Infinity, {
      kind: 'patch',
      path: 'p',
      changes: [
        ['b', '1'],
        ['c', '1'],
      ],
    });
    expect(check([create, unknown, read(4, [['a', '0']])])).toBe('linearizable');
    expect(
      check([
        create,
        unknown,
        read(4, [
          ['a', '0'],
          ['b', '1'],
          ['c', '1'],
        ]),
      ]),
    ).toBe('linearizable');
    expect(
      check([
        create,
        unknown,
        read(4, [
          ['a', '0'],
          ['b', '1'],
        ]),
      ]),
    ).toBe('not-linearizable');
  });
});
