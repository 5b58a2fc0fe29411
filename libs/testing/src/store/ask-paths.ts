import { PathTable, ROOT_NAMESPACE, RequestError, coerceFields } from '@coffer/sdk';
import type { Operation, PathDeclaration, Response } from '@coffer/sdk';
import type { CoreRequestContext } from '@coffer/core-api';
import type { Transactor } from '@coffer/storage';

/** Asks declared paths of `sys/`. */
export interface PathAsker {
  /** Warnings of the last request, about its fields and by its handler. */
  readonly warnings: readonly string[];
  /**
   * One request through path table, field types, transaction and handler.
   *
   * @param path below `sys/`
   * @throws RequestError as the handler, and `unsupported-path` or `unsupported-operation`
   */
  ask(
    operation: Exclude<Operation, 'help' | 'head' | 'create'>,
    path: string,
    data?: Readonly<Record<string, unknown>>,
    more?: Partial<CoreRequestContext>,
  ): Promise<Response | undefined>;
}

/** What the pipeline does with the core's own declarations, without tokens, policies and audit. */
export function askPaths(
  paths: readonly PathDeclaration<unknown>[],
  transactor: Transactor,
  nowMs: () => number = () => 1_700_000_000_000,
): PathAsker {
  const table = new PathTable(paths);
  let warnings: string[] = [];
  return {
    get warnings() {
      return warnings;
    },
    async ask(operation, path, data = {}, more = {}) {
      const match = table.match(path);
      if (!match) throw new RequestError('unsupported-path');
      const declared = match.path.operations[operation];
      if (!declared) throw new RequestError('unsupported-operation');
      const sent = Object.assign(Object.create(null) as Record<string, unknown>, data);
      const typed = coerceFields(match.path.fields, match.captures, sent, match.path.arbitraryFields ?? false);
      return await transactor.run((transaction) => {
        warnings = [...typed.warnings];
        const context = {
          request: { operation, namespace: ROOT_NAMESPACE, path: `sys/${path}`, data: sent },
          operation,
          relativePath: path,
          nowMs: nowMs(),
          warn: (text: string) => void warnings.push(text),
          transaction,
          ...more,
        };
        // Handlers of `sys/` look at no more of a request than this.
        return declared.handler(undefined, typed.values, context as unknown as CoreRequestContext);
      });
    },
  };
}

/** What a request came to: its data, or `[status, text]` where it was refused. */
export async function outcomeOf(answer: Promise<Response | undefined>): Promise<unknown> {
  try {
    return (await answer)?.data;
  } catch (error) {
    if (error instanceof RequestError) return [error.status, error.clientTexts.join('; ')];
    throw error;
  }
}
