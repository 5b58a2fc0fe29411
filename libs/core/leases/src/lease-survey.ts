import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import type { LeaseEntry } from '@coffer/core-api';
import type { ParsingBackend, Transactor } from '@coffer/storage';
import { inPages } from './lease-pages.ts';
import { EMPTY, ID_KEYS, IRREVOCABLE_KEYS, dueKey, endOf, idKey, parseLease } from './records.ts';

/** Looks over all leases, page by page: for operators, not for requests. */
export class LeaseSurvey {
  readonly #deps: { readonly backend: ParsingBackend; readonly transactor: Transactor };

  constructor(deps: { readonly backend: ParsingBackend; readonly transactor: Transactor }) {
    this.#deps = deps;
  }

  /** Leases that could not be revoked and are tried no more. */
  async irrevocable(limit: number, namespace: NamespaceRef = ROOT_NAMESPACE): Promise<readonly LeaseEntry[]> {
    const prefix = `${IRREVOCABLE_KEYS}${namespace.id}/`;
    const keys = await this.#deps.backend.keys({
      from: prefix,
      to: endOf(prefix),
      ...(Number.isFinite(limit) ? { limit } : {}),
    });
    const leases: LeaseEntry[] = [];
    for (const key of keys) {
      const lease = await this.#deps.backend.getParsed(idKey(namespace.id, key.slice(prefix.length)), parseLease);
      if (lease) leases.push(lease);
    }
    return leases;
  }

  /** How many leases there are; reads index keys only, page by page. */
  async count(namespace: NamespaceRef, kind: 'all' | 'irrevocable'): Promise<number> {
    let count = 0;
    const prefix = `${kind === 'all' ? ID_KEYS : IRREVOCABLE_KEYS}${namespace.id}/`;
    await inPages(this.#deps.backend, prefix, (keys) => {
      count += keys.length;
      return Promise.resolve();
    });
    return count;
  }

  /** Puts back what fell out of the index of due times. @returns how many leases */
  async tidy(): Promise<number> {
    let revived = 0;
    await inPages(this.#deps.backend, ID_KEYS, async (keys) => {
      revived += await this.#deps.transactor.run(async (tx) => {
        let count = 0;
        for (const key of keys) {
          const lease = await tx.getParsed(key, parseLease);
          if (!lease || lease.dueMs === 0) continue;
          const due = dueKey(lease.dueMs, lease.namespace.id, lease.id);
          if (lease.irrevocable || (await tx.get(due)) !== undefined) continue;
          tx.put(due, EMPTY);
          count += 1;
        }
        return count;
      });
    });
    return revived;
  }
}
