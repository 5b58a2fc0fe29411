import type { Request } from './request.ts';
import type { StorageView } from './storage-view.ts';

/** The caller, as far as an engine may know. */
export interface Caller {
  readonly accessor: string;
  readonly displayName: string;
  readonly entityId: string;
  readonly policies: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tokenType: 'service' | 'batch';
  /** Salted for this mount, so that it says nothing elsewhere; names the caller's cubbyhole. */
  readonly saltedTokenId: string;
  readonly numUses: number;
  readonly orphan: boolean;
}

/** One run of a handler. */
export interface RequestContext {
  readonly request: Request;
  /** `create` where the path tells it from `update`. */
  readonly operation: Request['operation'];
  readonly view: StorageView;
  /** Undefined on unauthenticated paths. */
  readonly caller?: Caller;
  /** The path below the mount. */
  readonly relativePath: string;
  /** Wall-clock milliseconds, one moment for the whole run. */
  readonly nowMs: number;
  /** Adds a warning to the answer. */
  warn(text: string): void;
}
