import type { MaybePromise, Random } from '@coffer/kernel';
import { ROOT_NAMESPACE, PathTable } from '@coffer/sdk';
import type { Operation, PathDeclaration, RequestContext, Response, StorageView } from '@coffer/sdk';
import { RequestError } from '@coffer/sdk';

/** A mount's storage in memory. */
export class MemoryView implements StorageView {
  readonly entries = new Map<string, string>();

  get(key: string): Uint8Array | undefined {
    const text = this.entries.get(key);
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }
  getJson<T>(key: string): T | undefined {
    const text = this.entries.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }
  list(prefix: string): string[] {
    const names = [...this.entries.keys()].flatMap((key) =>
      key.startsWith(prefix) ? [key.slice(prefix.length).replace(/\/.*/, '/')] : [],
    );
    return [...new Set(names)].sort();
  }
  keys(): string[] {
    return [...this.entries.keys()].sort();
  }
  put(key: string, value: Uint8Array): void {
    this.entries.set(key, new TextDecoder().decode(value));
  }
  putJson(key: string, value: unknown): void {
    this.entries.set(key, JSON.stringify(value));
  }
  delete(key: string): void {
    this.entries.delete(key);
  }
}

/** Chance that repeats: counts up. */
export function countingRandom(): Random {
  let count = 0;
  return {
    bytes: (length) => new Uint8Array(length).map(() => (count += 1) & 0xff),
    uuid: () => `uuid-${String((count += 1))}`,
    below: (below) => (count += 1) % below,
    base62: (length) => String((count += 1)).padStart(length, 'x'),
  };
}

/** Routes requests to declared paths like the pipeline does, with fields given as the handler gets them. */
export function caller(paths: readonly PathDeclaration<unknown>[], view: StorageView = new MemoryView()) {
  const table = new PathTable(paths);
  const warnings: string[] = [];
  const call = async (
    operation: Exclude<Operation, 'help' | 'head' | 'create'>,
    path: string,
    sent: Record<string, unknown> = {},
    more: object = {},
  ): Promise<Response | undefined> => {
    const match = table.match(path);
    if (!match) throw new RequestError('unsupported-path');
    const declared = match.path.operations[operation];
    if (!declared) throw new RequestError('unsupported-operation');
    const values: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(match.path.fields)) {
      values[name] = match.captures[name] ?? sent[name] ?? field.default;
    }
    const context = {
      request: { data: sent, namespace: ROOT_NAMESPACE, path: `sys/${path}` },
      view,
      nowMs: 1_700_000_000_000,
      warn: (text: string) => warnings.push(text),
      mount: { context: { transact: (body: (own: StorageView) => unknown) => Promise.resolve(body(view)) } },
      ...more,
    } as unknown as RequestContext;
    const answer = await (declared.handler(undefined, values, context) as MaybePromise<Response | undefined>);
    return (answer?.afterCommit ? await answer.afterCommit() : answer) ?? undefined;
  };
  return { call, view, warnings };
}

/** What a call came to: its data, or `[status, text]`. */
export async function outcome(answer: Promise<Response | undefined>): Promise<unknown> {
  try {
    return (await answer)?.data;
  } catch (error) {
    if (error instanceof RequestError) return [error.status, error.clientTexts.join('; ')];
    throw error;
  }
}
