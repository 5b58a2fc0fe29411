import { INTENTS } from '@coffer/core-mounts';
import { RequestError, isRawJson, parsePattern } from '@coffer/sdk';
import type { EngineType, Operation, PathDeclaration, Response } from '@coffer/sdk';
import { openEngine } from './open-engine.ts';
import type { EngineOptions, OpenEngine } from './open-engine.ts';

/** Names of fields that hold what nobody should see: `secret` of such a field is declared, true or false. */
const SOUNDS_SECRET = /(^|_)(password|passphrase|secret|secret_id|private_key|pin)$/;

/** Names that a client may send, and that must be treated as any other. */
const NAMES = ['plain', '__proto__', 'constructor', 'toString', 'ключ-🔑', 'a b', '%2e%2e', 'x'.repeat(300)];

export interface ContractOptions extends EngineOptions {
  /**
   * Writes what there must be before a request can be answered (roles, keys). Names in paths are `plain` first, so that
   * is the one to make; all others are missing.
   */
  readonly prepare?: (engine: OpenEngine) => Promise<void>;
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
    describeDeclarations(served);
    const open = async (): Promise<OpenEngine> => {
      const engine = await openEngine(given, options);
      await options.prepare?.(engine);
      return engine;
    };
    describeLogins(served, open);
    describeAnswers(served.paths, open);
  });
}

function describeDeclarations(type: EngineType): void {
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
        if (declared.kind === 'bool' || declared.secret === false) continue;
        if (SOUNDS_SECRET.test(field)) expect([field, declared.secret]).toEqual([field, true]);
      }
    });

    it('asks for no token where it gives one out', () => {
      if (path.login) expect(path.unauthenticated).toBe(true);
    });

    it('pages by both of the fields, or by none', () => {
      if (path.operations.list ?? path.operations.scan)
        expect(path.fields.after === undefined).toBe(path.fields.limit === undefined);
    });
  });

  it('names each secret type and each intent once', () => {
    for (const names of [type.secretTypes?.map((each) => each.type), type.intentTypes?.map(({ kind }) => kind)])
      expect(names ?? []).toEqual([...new Set(names)]);
  });
}

/** What is asked of an auth method beside its paths: it is asked before anybody is known, so about anything. */
function describeLogins(type: EngineType, open: () => Promise<OpenEngine>): void {
  const logins = type.paths.filter((path) => path.login);
  if (logins.length === 0) return;

  it('tells alias and role of any login, or that it knows none', async () => {
    const engine = await open();
    const texts: unknown[] = [];
    for (const path of logins)
      for (const name of NAMES)
        for (const value of [undefined, null, '', 7, {}, [], name]) {
          const fields = Object.keys(path.fields);
          const data = Object.assign(Object.create(null) as Record<string, unknown>, {
            ...Object.fromEntries(fields.map((field) => [field, value])),
          });
          const { view } = engine.mount;
          const relative = pathFor(path, name);
          texts.push(
            await engine.withType((own, instance) => own.loginAlias?.(instance, data, relative, view)),
            await engine.withType((own, instance) => own.loginRole?.(instance, data, relative, view)),
          );
        }
    await engine.close();
    expect(texts.filter((text) => text !== undefined && typeof text !== 'string')).toEqual([]);
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
          // a scan of nothing answers with no names, a list of nothing does not answer
          const nothing = operation === 'scan' && Object.keys(response?.data ?? {}).length === 0;
          if (response?.data && !nothing) expect(Array.isArray(response.data.keys)).toBe(true);
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

/** What handlers wrote. Intents are left behind on purpose: they outlive what fails. */
async function written(engine: OpenEngine): Promise<readonly (readonly [string, string])[]> {
  return [...(await engine.stored())].filter(([key]) => !key.startsWith(INTENTS));
}

/** What leaves is JSON, and what it grants is declared. */
function expectAnswer(engine: OpenEngine, response: Response): void {
  expect(notJson(response.data)).toEqual([]);
  const { secret } = response;
  if (!secret) return;
  expect(engine.type.secretTypes?.map(({ type }) => type)).toContain(secret.type);
  expect(notJson(secret.internal)).toEqual([]);
}

/** Where a value holds what JSON cannot: `created: Date`. What is undefined is left out of an answer. */
function notJson(value: unknown, at = ''): readonly string[] {
  if (value === null || value === undefined || ['string', 'boolean'].includes(typeof value)) return [];
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [`${at}: ${String(value)}`];
  if (isRawJson(value)) return [];
  if (Array.isArray(value)) return value.flatMap((inner, index) => notJson(inner, `${at}[${String(index)}]`));
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== null && prototype !== Object.prototype) return [`${at}: ${typeName(value)}`];
  return Object.entries(value).flatMap(([name, inner]) => notJson(inner, at === '' ? name : `${at}.${name}`));
}

function typeName(value: unknown): string {
  return typeof value === 'object' ? (value?.constructor.name ?? 'null') : typeof value;
}

/** Fails on anything but an answer or a RequestError, and on a refusal that has written. */
async function answersOrRefuses(
  engine: OpenEngine,
  operation: Operation,
  path: string,
  data: Readonly<Record<string, unknown>>,
): ReturnType<OpenEngine['ask']> {
  const before = await written(engine);
  try {
    const response = await engine.ask(operation, path, data);
    if (response) expectAnswer(engine, response);
    return response;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    expect(error.status).toBeLessThan(500);
    expect(await written(engine)).toEqual(before);
    return undefined;
  }
}
