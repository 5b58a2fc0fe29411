import { RequestError, parsePattern } from '@coffer/sdk';
import type { EngineType, Operation, PathDeclaration } from '@coffer/sdk';
import { openEngine } from './open-engine.ts';
import type { EngineOptions, OpenEngine } from './open-engine.ts';

/** Names of fields that hold what nobody should see: declared `secret`, or named in `publicFields`. */
const SOUNDS_SECRET = /(^|_)(password|passphrase|secret|secret_id|private_key|pin)$/;

/** Names that a client may send, and that must be treated as any other. */
const NAMES = ['plain', '__proto__', 'constructor', 'toString', 'ключ-🔑', 'a b', '%2e%2e', 'x'.repeat(300)];

export interface ContractOptions extends EngineOptions {
  /** Fields that sound like secrets but are none. */
  readonly publicFields?: readonly string[];
}

/**
 * What every secrets engine and auth method promises, whatever it does. An engine's spec calls this beside its own
 * tests:
 *
 * @example
 *     describeEngine('counter', new CounterEngine());
 */
export function describeEngine<E>(name: string, type: EngineType<E>, options: ContractOptions = {}): void {
  const given = type as unknown as EngineType;
  const served = given.forOptions?.(options.options ?? {}) ?? given;

  describe(`${name}, as every engine`, () => {
    describeDeclarations(served, options);
    describeAnswers(served.paths, () => openEngine(given, options));
  });
}

function describeDeclarations(type: EngineType, options: ContractOptions): void {
  it('says what it is', () => {
    expect(type.help.synopsis).not.toBe('');
    expect(type.help.description).not.toBe('');
    expect(type.paths.length).toBeGreaterThan(0);
  });

  describe.each(type.paths.map((path) => [path.pattern, path] as const))('%j', (pattern, path) => {
    it('has a synopsis, operations, and a summary of each', () => {
      expect(path.help.synopsis).not.toBe('');
      const operations = Object.entries(path.operations);
      expect(operations).not.toEqual([]);
      for (const [operation, declared] of operations) expect([operation, declared.summary]).not.toContain('');
    });

    it('declares each parameter of its pattern as a field that a text fits', () => {
      for (const segment of parsePattern(pattern)) {
        if (segment.kind === 'literal') continue;
        expect(Object.keys(path.fields)).toContain(segment.name);
        expect(['name', 'string', 'lower-case-string']).toContain(path.fields[segment.name]?.kind);
      }
    });

    it('describes its fields, and marks those that are secret', () => {
      for (const [field, declared] of Object.entries(path.fields)) {
        expect([field, declared.description]).not.toContain('');
        // Whether a secret is asked for is none itself.
        if (declared.kind === 'bool' || options.publicFields?.includes(field)) continue;
        if (SOUNDS_SECRET.test(field)) expect([field, declared.secret]).toEqual([field, true]);
      }
    });

    it('asks for no token where it gives one out', () => {
      if (path.login) expect(path.unauthenticated).toBe(true);
    });
  });
}

interface Case {
  readonly path: PathDeclaration<unknown>;
  readonly operation: Operation;
}

function describeAnswers(paths: readonly PathDeclaration<unknown>[], open: () => Promise<OpenEngine>): void {
  const cases = paths.flatMap((path) =>
    (Object.keys(path.operations) as Operation[]).map((operation): Case => ({ path, operation })),
  );
  const withEngine = async (body: (engine: OpenEngine) => Promise<void>): Promise<void> => {
    const engine = await open();
    try {
      await body(engine);
    } finally {
      await engine.close();
    }
  };

  describe.each(cases.map((each) => [each.operation, each.path.pattern, each] as const))('%s %j', (_op, _p, each) => {
    const { operation, path } = each;

    it('answers or refuses where no field is sent, and a refusal leaves nothing behind', () =>
      withEngine(async (engine) => {
        await answersOrRefuses(engine, operation, pathFor(path, 'plain'), {});
      }));

    it('takes any name', () =>
      withEngine(async (engine) => {
        for (const name of NAMES) await answersOrRefuses(engine, operation, pathFor(path, name), {});
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      }));

    it('takes or refuses any type of value in any field', () =>
      withEngine(async (engine) => {
        const target = pathFor(path, 'plain');
        for (const value of [null, '', 'text', 7, -1, 1.5, true, [], ['a', 1], {}, JSON.parse(PROTO) as unknown])
          for (const field of Object.keys(path.fields))
            await answersOrRefuses(engine, operation, target, { [field]: value });
        await answersOrRefuses(engine, operation, target, JSON.parse(PROTO) as Readonly<Record<string, unknown>>);
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      }));
  });

  const lists = cases.filter(({ operation }) => operation === 'list' || operation === 'scan');
  if (lists.length > 0) {
    it.each(lists.map((each) => [each.operation, each.path.pattern, each] as const))(
      'answers %s %j with names, or with nothing',
      (_operation, _pattern, { operation, path }) =>
        withEngine(async (engine) => {
          const response = await answersOrRefuses(engine, operation, pathFor(path, 'plain'), {});
          if (response?.data) expect(Array.isArray(response.data.keys)).toBe(true);
        }),
    );
  }
}

/** As `JSON.parse` makes it: an own property of this name. */
const PROTO = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';

/** A request's path by a pattern, with `name` for each parameter. */
export function pathFor(path: Pick<PathDeclaration<unknown>, 'pattern'>, name: string): string {
  return parsePattern(path.pattern)
    .map((segment) => (segment.kind === 'literal' ? segment.text : name))
    .join('/');
}

/** Fails on anything but an answer or a RequestError, and on a refusal that has written. */
async function answersOrRefuses(
  engine: OpenEngine,
  operation: Operation,
  path: string,
  data: Readonly<Record<string, unknown>>,
): ReturnType<OpenEngine['ask']> {
  const before = await engine.stored();
  try {
    return await engine.ask(operation, path, data);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    expect(error.status).toBeLessThan(500);
    expect(await engine.stored()).toEqual(before);
    return undefined;
  }
}
