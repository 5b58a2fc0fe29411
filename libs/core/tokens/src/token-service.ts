import { assert, isPromise, Secret, whenReady } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random, Startable } from '@coffer/kernel';
import type {
  CreatedToken,
  Identity,
  LeaseManager,
  LoginOrigin,
  NewToken,
  RootOrigin,
  Router,
  TokenEntry,
  TokenStore,
} from '@coffer/core-api';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { LoginAuth } from '@coffer/sdk';
import type { ParsingBackend, Transaction, Transactor } from '@coffer/storage';
import { BATCH_PREFIX, BatchTokens } from './batch-tokens.ts';
import { logIn } from './login.ts';
import {
  ACCESSOR_KEYS,
  EMPTY,
  REVOKING_KEYS,
  accessorKey,
  childKey,
  encode,
  parseAccessor,
  parseToken,
  revokingKey,
  tokenKey,
} from './records.ts';
import { Revocations } from './revocations.ts';
import type { CleanUp } from './revocations.ts';
import { Salts, TOKEN_LENGTH_MAX } from './salts.ts';
import { tidyTokens } from './tidy.ts';
import type { TidyResult } from './tidy.ts';

export interface TokenServiceDeps {
  /** The barrier: the newest applied state, with parsed values cached until they change. */
  readonly backend: ParsingBackend;
  readonly transactor: Transactor;
  /** Keys of the cluster (`Barrier.derive`). */
  readonly derive: (purpose: string, length: number) => Secret<Uint8Array>;
  readonly leases: () => Pick<LeaseManager, 'registerToken' | 'dropToken' | 'revokeByToken'>;
  readonly identity: () => Pick<Identity, 'entityForLogin' | 'policiesOf'>;
  readonly router: () => Router;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What else belongs to a token and goes with it (wrapped answers); called in the last transaction of its revocation. */
  readonly cleanUps?: readonly CleanUp[];
}

const SERVICE_PREFIX = 'hvs.';
/** 62^24 > 2^142. */
const TOKEN_CHARACTERS = 24;
const ACCESSOR_CHARACTERS = 24;
const DERIVED_KEY_BYTES = 32;
const ACCESSORS_PAGE = 256;

/**
 * Service tokens in the store, batch tokens in themselves. Entries are read through the barrier's cache of parsed
 * values, which the feed of applied keys invalidates on every node: a revocation that is applied here is effective here.
 */
export class TokenService implements TokenStore, Startable {
  readonly name = 'tokens';
  readonly needs: readonly string[] = ['mounts', 'leases'];
  readonly #deps: TokenServiceDeps;
  readonly #salts: Salts;
  readonly #batch: BatchTokens;
  readonly #revocations: Revocations;
  #unsubscribe: (() => void) | undefined;

  constructor(deps: TokenServiceDeps) {
    this.#deps = deps;
    this.#salts = new Salts(
      deps.derive('token/salt', DERIVED_KEY_BYTES).reveal(),
      deps.derive('token/accessor-salt', DERIVED_KEY_BYTES).reveal(),
    );
    this.#batch = new BatchTokens(deps.derive('token/batch', DERIVED_KEY_BYTES).reveal(), deps.random);
    this.#revocations = new Revocations({ ...deps, saltAccessor: (accessor) => this.#salts.ofAccessor(accessor) });
  }

  start(): void {
    this.#unsubscribe = this.#deps.backend.subscribe(({ keys }) => {
      for (const key of keys) {
        if (key.startsWith(REVOKING_KEYS)) this.#revocations.recorded(key.slice(REVOKING_KEYS.length));
      }
    });
  }

  /** On becoming active: takes up, in the background, the revocations that a node left unfinished. */
  activate(): void {
    this.#revocations.activate();
  }

  deactivate(): void {
    this.#revocations.deactivate();
  }

  stop(): void {
    this.deactivate();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  lookup(token: Secret<string>): MaybePromise<TokenEntry | undefined> {
    const text = token.reveal();
    if (text === '' || text.length > TOKEN_LENGTH_MAX) return undefined;
    const saltedId = this.#salts.ofToken(text);
    if (text.startsWith(BATCH_PREFIX)) return this.#openBatch(text, saltedId);
    return whenReady(this.bySaltedId(saltedId), (entry) => {
      if (entry) this.#salts.remember(text, saltedId);
      return entry;
    });
  }

  bySaltedId(saltedId: string): MaybePromise<TokenEntry | undefined> {
    return whenReady(this.#deps.backend.getParsed(tokenKey(saltedId), parseToken), (entry) => this.#ifAlive(entry));
  }

  byAccessor(accessor: string): MaybePromise<TokenEntry | undefined> {
    if (accessor === '') return undefined;
    const record = this.#deps.backend.getParsed(accessorKey(this.#salts.ofAccessor(accessor)), parseAccessor);
    return whenReady(record, (found) => (found ? this.bySaltedId(found.saltedId) : undefined));
  }

  /** The salted id of a token's text. */
  saltedIdOf(token: Secret<string>): string {
    return this.#salts.ofToken(token.reveal());
  }

  /** A service token as a transaction sees it, a spent one included; what the transaction decides on it stays true. */
  inTransaction(tx: Transaction, saltedId: string): MaybePromise<TokenEntry | undefined> {
    return whenReady(tx.getParsed(tokenKey(saltedId), parseToken), (entry) =>
      entry && !entry.revoking && !this.#ended(entry) ? entry : undefined,
    );
  }

  /** Whether there is anything under the id of a token, dead or alive. */
  async isTaken(tx: Transaction, token: string): Promise<boolean> {
    return (await tx.get(tokenKey(this.#salts.ofToken(token)))) !== undefined;
  }

  create(tx: Transaction, token: NewToken): CreatedToken {
    const createdMs = this.#deps.clock.nowMs();
    const expiresMs = token.ttlSeconds > 0 ? createdMs + token.ttlSeconds * 1000 : 0;
    const { parent, id, ...plain } = token;
    const record = {
      ...plain,
      parent: parent?.saltedId ?? '',
      accessor: token.type === 'batch' ? '' : this.#deps.random.base62(ACCESSOR_CHARACTERS),
      createdMs,
      lastRenewedMs: 0,
      expiresMs,
      noIdentityPolicies: token.noIdentityPolicies ?? false,
    };
    if (token.type === 'batch') {
      assert(expiresMs > 0 && !token.policies.includes('root'), 'a batch token ends and is not root');
      const sealed = { ...record, renewable: false };
      const text = this.#batch.seal(sealed);
      return { token: new Secret(text), entry: Object.freeze({ ...sealed, saltedId: this.#salts.ofToken(text) }) };
    }
    const text = id ?? SERVICE_PREFIX + this.#deps.random.base62(TOKEN_CHARACTERS);
    const entry: TokenEntry = Object.freeze({ ...record, saltedId: this.#salts.ofToken(text) });
    this.#write(tx, entry);
    return { token: new Secret(text), entry };
  }

  #write(tx: Transaction, entry: TokenEntry): void {
    const { saltedId, accessor, parent } = entry;
    tx.put(tokenKey(saltedId), encode(entry));
    tx.put(accessorKey(this.#salts.ofAccessor(accessor)), encode({ accessor, saltedId }));
    if (parent !== '') tx.put(childKey(parent, saltedId), EMPTY);
    if (entry.expiresMs > 0) this.#registerLease(tx, entry);
  }

  #registerLease(tx: Transaction, entry: TokenEntry, previousExpiresMs?: number): void {
    const mount = this.#deps.router().mount(entry.namespace, entry.path);
    this.#deps.leases().registerToken(tx, {
      namespace: entry.namespace,
      mountAccessor: mount?.entry.accessor ?? '',
      path: entry.path,
      saltedTokenId: entry.saltedId,
      expiresMs: entry.expiresMs,
      issuedMs: entry.createdMs,
      renewable: entry.renewable,
      ttlSeconds: entry.ttlSeconds,
      ...(previousExpiresMs === undefined ? {} : { previousExpiresMs }),
    });
  }

  /** Writes a renewal: entry and lease end together. */
  extend(tx: Transaction, entry: TokenEntry, ttlSeconds: number): TokenEntry {
    const nowMs = this.#deps.clock.nowMs();
    const renewed = Object.freeze({ ...entry, lastRenewedMs: nowMs, expiresMs: nowMs + ttlSeconds * 1000 });
    tx.put(tokenKey(entry.saltedId), encode(renewed));
    this.#registerLease(tx, renewed, entry.expiresMs);
    return renewed;
  }

  login(
    tx: Transaction,
    login: LoginAuth,
    mount: Parameters<TokenStore['login']>[2],
    from: LoginOrigin,
  ): ReturnType<TokenStore['login']> {
    return logIn(this, this.#deps, tx, login, mount, from);
  }

  spendUse(tx: Transaction, token: TokenEntry): ReturnType<TokenStore['spendUse']> {
    return whenReady(this.inTransaction(tx, token.saltedId), (entry) => {
      if (!entry || entry.numUses < 0) return { allowed: false, last: false };
      if (entry.numUses === 0) return { allowed: true, last: false };
      const last = entry.numUses === 1;
      // -1 marks a token that is spent: good for the request that spent it, and for nothing else.
      tx.put(tokenKey(entry.saltedId), encode({ ...entry, numUses: last ? -1 : entry.numUses - 1 }));
      if (last) tx.put(revokingKey(entry.saltedId), encode({ children: 'revoked' }));
      return { allowed: true, last };
    });
  }

  /** Ends a token in a transaction that takes what it was good for; its tree follows in the background. */
  consume(tx: Transaction, entry: TokenEntry): void {
    tx.put(tokenKey(entry.saltedId), encode({ ...entry, revoking: true }));
    tx.put(revokingKey(entry.saltedId), encode({ children: 'revoked' }));
  }

  revokeTree(saltedId: string): Promise<void> {
    return this.#revocations.revoke(saltedId, 'revoked');
  }

  revokeOrphan(saltedId: string): Promise<void> {
    return this.#revocations.revoke(saltedId, 'orphaned');
  }

  createRoot(tx: Transaction, id?: string, origin: RootOrigin = 'root'): CreatedToken {
    return this.create(tx, {
      namespace: ROOT_NAMESPACE,
      ...(id === undefined ? {} : { id }),
      policies: ['root'],
      path: `auth/token/${origin}`,
      metadata: null,
      displayName: origin === 'root' ? 'root' : 'token',
      type: 'service',
      ttlSeconds: 0,
      explicitMaxTtlSeconds: 0,
      periodSeconds: 0,
      renewable: false,
      numUses: 0,
      boundCidrs: [],
      strictlyBindIp: false,
      role: '',
      entityId: '',
    });
  }

  /** The accessors of all tokens; read in pages. */
  async accessors(): Promise<readonly string[]> {
    const { backend } = this.#deps;
    const found: string[] = [];
    for (let from = ACCESSOR_KEYS; ;) {
      const keys = await backend.keys({ from, to: `${ACCESSOR_KEYS}~`, limit: ACCESSORS_PAGE });
      const last = keys.at(-1);
      if (last === undefined) return found.sort();
      for (const key of keys) {
        const record = await backend.getParsed(key, parseAccessor);
        if (record) found.push(record.accessor);
      }
      from = `${last}\u0000`;
    }
  }

  /** Removes index entries that lead nowhere. */
  tidy(): Promise<TidyResult> {
    return tidyTokens(this.#deps);
  }

  #openBatch(text: string, saltedId: string): MaybePromise<TokenEntry | undefined> {
    const record = this.#batch.open(text);
    if (!record || this.#ended(record)) return undefined;
    this.#salts.remember(text, saltedId);
    const entry: TokenEntry = Object.freeze({ ...record, saltedId });
    if (entry.parent === '') return entry;
    const parent = this.bySaltedId(entry.parent);
    if (isPromise(parent)) return parent.then((found) => (found ? entry : undefined));
    return parent ? entry : undefined;
  }

  #ifAlive(entry: TokenEntry | undefined): TokenEntry | undefined {
    return entry && !entry.revoking && entry.numUses >= 0 && !this.#ended(entry) ? entry : undefined;
  }

  #ended({ expiresMs }: Pick<TokenEntry, 'expiresMs'>): boolean {
    return expiresMs > 0 && this.#deps.clock.nowMs() >= expiresMs;
  }
}
