import type { RequestContext } from '@coffer/sdk';
import type { Transaction } from '@coffer/storage';
import type { LiveMount } from './mount-table.ts';
import type { Acl } from './policies.ts';
import type { TokenEntry } from './tokens.ts';

/**
 * What handlers of the core's own engines (`sys/`, `auth/token/`, `identity/`) get: the pipeline makes every context of
 * this form, but only they may look at the additions, through `coreContext`.
 */
export interface CoreRequestContext extends RequestContext {
  /** The request's own transaction on the whole store. */
  readonly transaction: Transaction;
  /** The mount that serves the request. */
  readonly mount: LiveMount;
  /** The caller's token and rules; undefined on unauthenticated paths. */
  readonly token?: TokenEntry;
  readonly acl?: Acl;
}

/** The core's view of a context. */
export function coreContext(context: RequestContext): CoreRequestContext {
  return context as CoreRequestContext;
}
