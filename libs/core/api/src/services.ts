import type { MaybePromise } from '@coffer/kernel';
import type { AliasClaim, EntityView, NamespaceRef, Request, Response, TokenAuth, WrapInfo } from '@coffer/sdk';
import type { Transaction } from '@coffer/storage';
import type { MountEntry } from './mount-table.ts';
import type { Decision } from './policies.ts';
import type { TokenEntry } from './tokens.ts';

/** Entities and their aliases, as far as logins and policies need them. */
export interface Identity {
  /** Finds or makes (in the login's transaction) the entity of an alias. */
  entityForLogin(
    tx: Transaction,
    mountAccessor: string,
    mountType: string,
    alias: AliasClaim,
    namespace: NamespaceRef,
  ): MaybePromise<string>;
  entity(entityId: string): MaybePromise<EntityView | undefined>;
  /** Whether tokens of the entity are good for nothing: it is disabled, or gone. */
  isBarred(entityId: string): MaybePromise<boolean>;
  /** Names of the policies that come from the entity and its groups. */
  policiesOf(entityId: string, namespace: NamespaceRef): MaybePromise<readonly string[]>;
  /** Changes with whatever `policiesOf` or a template could see; a cache key. */
  versionOf(entityId: string): MaybePromise<string>;
}

/** Keeps an answer until its wrapping token asks for it once. */
export interface Wrapping {
  wrap(
    tx: Transaction,
    response: Response,
    request: Request,
    ttlSeconds: number,
    wrappedAccessor: string | undefined,
  ): MaybePromise<WrapInfo>;
}

/** What an audit line is made of. */
export interface AuditEvent {
  readonly request: Request;
  readonly operation: string;
  readonly mount?: MountEntry;
  readonly token?: TokenEntry;
  readonly decision?: Decision;
  /** Names of request and response fields that are shown in clear. */
  readonly publicRequestKeys: readonly string[];
  readonly publicResponseKeys: readonly string[];
  readonly response?: Response;
  readonly auth?: TokenAuth;
  /** The client's error text, hashed where it is not from the table. */
  readonly error?: string;
  readonly atMs: number;
}

/**
 * Writes to all audit devices. Resolves at once where there is none. Where there are some, resolves as soon as one has the
 * line; rejects when all failed, and then the request is not served.
 */
export interface AuditBroker {
  readonly enabled: boolean;
  request(event: AuditEvent): MaybePromise<void>;
  response(event: AuditEvent): MaybePromise<void>;
}

export interface Namespaces {
  /** By path with a trailing slash ('' is the root). */
  byPath(path: string): NamespaceRef | undefined;
  /** Splits a path that may begin with namespaces. */
  resolve(header: string, path: string): { readonly namespace: NamespaceRef; readonly path: string } | undefined;
}
