import type { MaybePromise } from '@coffer/kernel';
import type { RequestContext } from './context.ts';
import type { Fields, FieldValues } from './field.ts';
import type { ListenerOpening, Operation } from './request.ts';
import type { Response } from './response.ts';

export type Handler<E, F extends Fields> = (
  engine: E,
  fields: FieldValues<F>,
  context: RequestContext,
) => MaybePromise<Response | undefined>;

/** One operation on a path. */
export interface OperationDeclaration<E, F extends Fields> {
  /** One line, for help and OpenAPI. */
  readonly summary: string;
  readonly description?: string;
  readonly handler: Handler<E, F>;
  /**
   * Where it runs. `active`: forwarded by a standby; the default of all that may write. `any`: served by any node after
   * the read barrier; the default of read, list and scan. `local`: about this very node (seal status, metrics).
   */
  readonly runs?: 'active' | 'any' | 'local';
  /** Statuses that it can answer, with the shape of the answer, for OpenAPI and the contract suite. */
  readonly responses?: Readonly<Record<number, { readonly description: string; readonly fields?: Fields }>>;
}

/** What is special about a path is said here and nowhere else. */
export interface PathTraits {
  /** No token is looked for. */
  readonly unauthenticated?: boolean;
  /** Served only by listeners whose settings open it; others answer 405. */
  readonly openedBy?: ListenerOpening;
  /** The policy must grant `sudo` besides. `true`: for all operations. */
  readonly sudo?: boolean | readonly Operation[];
  /** Served while the node is sealed or not initialised. */
  readonly whileSealed?: boolean;
  /** Brings the node to where it is while sealed: a sealed node answers 204 to whoever asks for it, and does nothing. */
  readonly doneWhileSealed?: boolean;
  /** A login: `Response.login` is expected, and failures are delayed and counted alike. */
  readonly login?: boolean;
  /** The body is not parsed: `Request.rawBody`. */
  readonly rawBody?: boolean;
  /**
   * The body of writes is neither parsed nor collected: `Request.bodyStream`. It is exempt from the listener's limit of
   * size, so the handler has one of its own.
   */
  readonly streamedBody?: boolean;
  /** The answer is never wrapped. */
  readonly neverWrapped?: boolean;
  /**
   * The answer is given even if no audit device could record it, and only that is logged: without it something would be
   * lost for good, such as new key shares. The request was recorded before.
   */
  readonly answeredUnrecorded?: boolean;
  /** A token with a use limit does not spend a use here; the handler decides (unwrap). */
  readonly spendsNoUse?: boolean;
  /** Fields whose names are not declared reach the handler in `context.request.data` (KV version 1, cubbyhole). */
  readonly arbitraryFields?: boolean;
  /** Request fields that the audit log may show in clear. */
  readonly auditPublicFields?: readonly string[];
  /** The same fields are left out of the answer's OpenAPI while the path is hidden. */
  readonly hidden?: boolean;
  /** Served in the root namespace only. */
  readonly rootNamespaceOnly?: boolean;
}

export type OperationTable<E, F extends Fields> = {
  readonly [O in Exclude<Operation, 'help' | 'head' | 'create'>]?: OperationDeclaration<E, F>;
};

export interface PathSpec<E, F extends Fields> extends OperationTable<E, F>, PathTraits {
  readonly fields: F;
  readonly help: { readonly synopsis: string; readonly description?: string };
  /**
   * Whether what an `update` would write exists: tells `create` from `update` for policies, without running the handler.
   * A path without it is always `update` for policies that grant either. Runs before authorization: reads only.
   */
  readonly exists?: (engine: E, fields: FieldValues<F>, context: RequestContext) => MaybePromise<boolean>;
}

/**
 * A declared path. Segments: literal (`config`), `:name` (one segment, not empty), `:name?` (may be missing, last),
 * `:path*` (all that is left, may be empty, may hold slashes), `:path+` (the same, not empty); literals may follow a rest (`:path+/tune`). A trailing slash
 * of a request is dropped before matching, but kept in the value of a `*` or `+` parameter. Literals beat parameters,
 * parameters beat rests, whatever the order of declaration.
 */
export interface PathDeclaration<E = never> extends PathTraits {
  readonly pattern: string;
  readonly fields: Fields;
  readonly help: { readonly synopsis: string; readonly description?: string };
  readonly operations: Readonly<Partial<Record<Operation, OperationDeclaration<E, Fields>>>>;
  readonly exists?: (engine: E, fields: FieldValues<Fields>, context: RequestContext) => MaybePromise<boolean>;
}
