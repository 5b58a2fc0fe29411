import { withoutEndSlashes } from '@coffer/kernel';
import type { Secret } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { Request, RequestError, Response, WrapInfo } from '@coffer/sdk';
import { encodeJson } from '@coffer/core-api';
import type { CreatedToken, NewToken, TokenEntry, Wrapping } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';

/** What wrapping needs of the token store. */
export interface WrappingTokens {
  create(tx: Transaction, token: NewToken): CreatedToken;
  saltedIdOf(token: Secret<string>): string;
  /** As the transaction sees it, so that two cannot take the same. */
  inTransaction(tx: Transaction, saltedId: string): TokenEntry | undefined | Promise<TokenEntry | undefined>;
  /** Ends the token together with what the transaction takes. */
  consume(tx: Transaction, entry: TokenEntry): void;
}

export interface WrappingServiceDeps {
  readonly tokens: () => WrappingTokens;
  readonly clock: Clock;
}

/** The one policy of a wrapping token. */
export const WRAPPING_POLICY = 'response-wrapping';

const WRAPPED = 'sys/wrapping/response/';
const wrappedKey = (saltedId: string): string => WRAPPED + saltedId;

/** An answer as kept, with what `lookup` tells of it. */
export interface WrappedResponse {
  readonly response: Response;
  readonly createdMs: number;
  readonly creationPath: string;
  readonly ttlSeconds: number;
  readonly wrappedAccessor?: string;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const parseWrapped = (bytes: Uint8Array): WrappedResponse =>
  JSON.parse(decoder.decode(bytes), keepExact) as WrappedResponse;

/** Numbers that JavaScript cannot hold stay as they were sent, as in requests. */
function keepExact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { source } = context ?? {};
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
}

/** Raw bytes, as `raw` answers may have them, are no JSON. */
function refuseRaw(response: Response): void {
  if (response.raw) throw badRequest('an answer of this form cannot be wrapped');
}

/** Keeps answers under the salted ids of their wrapping tokens; they go with the token. */
export class WrappingService implements Wrapping {
  readonly #deps: WrappingServiceDeps;

  constructor(deps: WrappingServiceDeps) {
    this.#deps = deps;
  }

  wrap(
    tx: Transaction,
    response: Response,
    request: Request,
    ttlSeconds: number,
    wrappedAccessor: string | undefined,
  ): WrapInfo {
    const list = request.operation === 'list' || request.operation === 'scan';
    const path = list && !request.path.endsWith('/') ? `${request.path}/` : request.path;
    return this.#store(tx, request, {
      response,
      createdMs: this.#deps.clock.nowMs(),
      creationPath: path,
      ttlSeconds,
      ...(wrappedAccessor === undefined ? {} : { wrappedAccessor }),
    });
  }

  /**
   * What `lookup` tells; the token is not spent.
   *
   * @throws RequestError `bad-request`
   */
  async describe(tx: Transaction, token: Secret<string>): Promise<WrappedResponse> {
    return (await this.#find(tx, token)).wrapped;
  }

  /** Takes the answer out: of all who try, one gets it. @throws RequestError `bad-request` */
  async unwrap(tx: Transaction, token: Secret<string>): Promise<Response> {
    const { wrapped } = await this.#take(tx, token);
    return wrapped.response;
  }

  /** Moves the answer under a new token that lives as long as the old one did at first. @throws RequestError `bad-request` */
  async rewrap(tx: Transaction, token: Secret<string>, request: Request): Promise<WrapInfo> {
    const { wrapped } = await this.#take(tx, token);
    return this.#store(tx, request, { ...wrapped, createdMs: this.#deps.clock.nowMs() });
  }

  /** Part of a token's revocation (`TokenServiceDeps.cleanUps`). */
  readonly cleanUp = (tx: Transaction, saltedId: string): void => {
    tx.delete(wrappedKey(saltedId));
  };

  #store(tx: Transaction, request: Request, wrapped: WrappedResponse): WrapInfo {
    const { ttlSeconds, createdMs, creationPath, wrappedAccessor } = wrapped;
    refuseRaw(wrapped.response);
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds <= 0) throw badRequest('the TTL of wrapping must be positive');
    const { token, entry } = this.#deps.tokens().create(tx, {
      namespace: request.namespace,
      policies: [WRAPPING_POLICY],
      path: withoutEndSlashes(request.path),
      metadata: null,
      displayName: 'token',
      type: 'service',
      ttlSeconds,
      explicitMaxTtlSeconds: ttlSeconds,
      periodSeconds: 0,
      renewable: false,
      numUses: 1,
      boundCidrs: [],
      strictlyBindIp: false,
      role: '',
      entityId: '',
      noIdentityPolicies: true,
      wrapping: true,
    });
    tx.put(wrappedKey(entry.saltedId), encodeJson(wrapped));
    return {
      token: token.reveal(),
      accessor: entry.accessor,
      ttlSeconds,
      creationTime: new Date(createdMs).toISOString().replace('Z', '000000Z'),
      creationPath,
      ...(wrappedAccessor === undefined ? {} : { wrappedAccessor }),
    };
  }

  async #take(
    tx: Transaction,
    token: Secret<string>,
  ): Promise<{ readonly wrapped: WrappedResponse; readonly entry: TokenEntry }> {
    const found = await this.#find(tx, token);
    tx.delete(wrappedKey(found.entry.saltedId));
    this.#deps.tokens().consume(tx, found.entry);
    return found;
  }

  /** One text for all that cannot be unwrapped: nobody learns whether a token is, was or never will be. */
  async #find(
    tx: Transaction,
    token: Secret<string>,
  ): Promise<{ readonly wrapped: WrappedResponse; readonly entry: TokenEntry }> {
    const tokens = this.#deps.tokens();
    const invalid = (): RequestError => badRequest('wrapping token is not valid or does not exist');
    if (token.reveal() === '') throw invalid();
    const saltedId = tokens.saltedIdOf(token);
    const entry = await tokens.inTransaction(tx, saltedId);
    if (!entry?.wrapping || entry.numUses < 1) throw invalid();
    const wrapped = await tx.getParsed(wrappedKey(saltedId), parseWrapped);
    if (!wrapped) throw invalid();
    return { wrapped, entry };
  }
}
