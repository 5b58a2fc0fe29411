import { AesGcmBarrier } from '@coffer/barrier';
import { MountView } from '@coffer/core-api';
import type { LiveMount, MountEntry } from '@coffer/core-api';
import { NO_TUNING, mountContext, storagePrefixOf, visitMount } from '@coffer/core-mounts';
import { Secret, silentLog, systemRandom } from '@coffer/kernel';
import { PathTable, ROOT_NAMESPACE, RequestError, badRequest, coerceFields } from '@coffer/sdk';
import type {
  Caller,
  EngineType,
  LeaseTerms,
  LoginRenewal,
  MountContext,
  OffLoopWork,
  Operation,
  Request,
  RequestContext,
  Response,
  SecretType,
} from '@coffer/sdk';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { HaState } from '@coffer/storage';
import { ManualClock } from '../../store/manual-clock.ts';

const ACTIVE: HaState = { role: 'active', epoch: 1, sinceMs: 0 };
const CACHE_BYTES_MAX = 1 << 20;
const LEASE_TTL_SECONDS = 2_764_800;

export interface EngineOptions {
  /** `auth` for auth methods; their `path()` begins with `auth/`. */
  readonly kind?: 'secret' | 'auth';
  /** `options` of the mount: `{ version: '2' }`. */
  readonly options?: Readonly<Record<string, string>>;
  readonly clock?: ManualClock;
}

/** Who asks, and from where; what is left out is a service token at 127.0.0.1, without headers and certificates. */
export interface Asker {
  readonly remoteAddress?: string;
  readonly caller?: Partial<Caller>;
  /** Those that the mount lets through; names in lower case. */
  readonly headers?: Request['headers'];
  /** In DER, the client's own first. */
  readonly clientCertificates?: readonly Uint8Array[];
  /** Of a path that declares `rawBody`. */
  readonly rawBody?: Uint8Array;
}

type Data = Readonly<Record<string, unknown>>;

const CALLER: Caller = {
  accessor: 'accessor-1',
  displayName: 'token',
  entityId: '',
  policies: ['default'],
  metadata: {},
  tokenType: 'service',
  saltedTokenId: 'salted-1',
  numUses: 0,
  orphan: true,
};

/** One mount of an engine, asked as the pipeline would ask it, but without tokens, policies and audit. */
export class OpenEngine {
  readonly mount: MountContext;
  readonly clock: ManualClock;
  /** Warnings of the last request, about its fields and by its handler. */
  warnings: readonly string[] = [];
  /** The type that serves: of KV the one of the mount's version. */
  type: EngineType;
  readonly #given: EngineType;
  readonly #transactor: OptimisticTransactor;
  readonly #barrier: AesGcmBarrier;
  readonly #abort: AbortController;
  readonly #entry: () => MountEntry;
  readonly #setOptions: (options: Readonly<Record<string, string>>) => void;
  #engine: unknown;
  #table: PathTable<unknown>;

  constructor(parts: {
    readonly given: EngineType;
    readonly type: EngineType;
    readonly engine: unknown;
    readonly mount: MountContext;
    readonly clock: ManualClock;
    readonly transactor: OptimisticTransactor;
    readonly barrier: AesGcmBarrier;
    readonly abort: AbortController;
    readonly entry: () => MountEntry;
    readonly setOptions: (options: Readonly<Record<string, string>>) => void;
  }) {
    this.#given = parts.given;
    this.type = parts.type;
    this.#engine = parts.engine;
    this.mount = parts.mount;
    this.clock = parts.clock;
    this.#transactor = parts.transactor;
    this.#barrier = parts.barrier;
    this.#abort = parts.abort;
    this.#entry = parts.entry;
    this.#setOptions = parts.setOptions;
    // Caches hear of what was written, as on every node.
    parts.barrier.subscribe((batch) => {
      if (batch.everything) this.type.invalidateAll?.(this.#engine);
      for (const key of batch.keys)
        if (key.startsWith(this.#prefix)) this.type.invalidate?.(this.#engine, key.slice(this.#prefix.length));
    });
    this.#table = new PathTable(parts.type.paths);
  }

  read(path: string, data?: Data, asker?: Asker): Promise<Response | undefined> {
    return this.ask('read', path, data, asker);
  }

  update(path: string, data?: Data, asker?: Asker): Promise<Response | undefined> {
    return this.ask('update', path, data, asker);
  }

  patch(path: string, data?: Data, asker?: Asker): Promise<Response | undefined> {
    return this.ask('patch', path, data, asker);
  }

  delete(path: string, data?: Data, asker?: Asker): Promise<Response | undefined> {
    return this.ask('delete', path, data, asker);
  }

  /** The names; empty where the answer would be 404. */
  async list(path: string, data?: Data, asker?: Asker): Promise<readonly string[]> {
    const response = await this.ask('list', path, data, asker);
    return (response?.data?.keys as readonly string[] | undefined) ?? [];
  }

  /**
   * One request through path table, field types, transaction and handler.
   *
   * @throws RequestError as the handler, and `unsupported-path` or `unsupported-operation`
   */
  async ask(operation: Operation, path: string, data: Data = {}, asker: Asker = {}): Promise<Response | undefined> {
    const match = this.#table.match(path);
    if (!match) throw new RequestError('unsupported-path');
    const declared = match.path.operations[operation === 'create' ? 'update' : operation];
    if (!declared) throw new RequestError('unsupported-operation');
    const sent: Data = Object.assign(Object.create(null) as Record<string, unknown>, data);
    const typed = coerceFields(match.path.fields, match.captures, sent, match.path.arbitraryFields ?? false);
    const request = this.#request(operation, path, sent, asker);
    const caller: Caller = { ...CALLER, ...asker.caller };
    return this.#transactor.run(async (transaction) => {
      const warnings = [...typed.warnings];
      this.warnings = warnings;
      const context: RequestContext = {
        request,
        operation,
        view: new MountView(transaction, this.#prefix),
        relativePath: path,
        nowMs: this.clock.nowMs(),
        warn: (text) => void warnings.push(text),
        ...(match.path.unauthenticated ? {} : { caller }),
      };
      if (operation === 'update' && match.path.exists) await match.path.exists(this.#engine, typed.values, context);
      return declared.handler(this.#engine, typed.values, context);
    });
  }

  /**
   * Whether what an `update` of the path would write is there, as policies ask: false is `create`. Undefined where the
   * path does not tell.
   */
  async exists(path: string, data: Data = {}): Promise<boolean | undefined> {
    const match = this.#table.match(path);
    const exists = match?.path.exists;
    if (!match || !exists) return undefined;
    const { values } = coerceFields(match.path.fields, match.captures, data, match.path.arbitraryFields ?? false);
    return this.#inContext(path, (context) => exists(this.#engine, values, context));
  }

  /** Renews what an answer leased, as the lease manager does. @throws Error for an answer that leases nothing */
  async renew(answer: Response | undefined, incrementSeconds: number): Promise<LeaseTerms> {
    const { internal, renew } = this.#leased(answer);
    if (!renew) throw new Error('what was leased cannot be renewed');
    const issuedMs = this.clock.nowMs();
    return this.#inContext('', (context) => renew(this.#engine, internal, { ...context, incrementSeconds, issuedMs }));
  }

  /** Revokes what an answer leased, as the lease manager does. @throws Error for an answer that leases nothing */
  async revoke(answer: Response | undefined): Promise<void> {
    const { internal, revoke } = this.#leased(answer);
    return this.#inContext('', (context) => revoke(this.#engine, internal, context));
  }

  /** What the method says to a renewal of the token of a login. @throws Error for an answer that is no login */
  async renewLogin(answer: Response | undefined): Promise<LoginRenewal | undefined> {
    const { type } = this;
    const login = answer?.login;
    if (!login || !type.renewLogin) throw new Error('the answer is no login that the method renews');
    const { internal, metadata, policies, alias } = login;
    const auth = { metadata, policies, ...(internal ? { internal } : {}), ...(alias ? { alias } : {}) };
    return this.#inContext('', async (context) => {
      if (!type.renewLogin) throw new Error('the method renews no logins');
      return type.renewLogin(this.#engine, auth, context);
    });
  }

  /** What happens about once a minute on the active node: `periodic`, then the undoing of intents that were left. */
  async round(): Promise<void> {
    const { mount, type } = this;
    const live: LiveMount = {
      entry: this.#entry(),
      type,
      engine: this.#engine,
      context: mount,
      prefix: mount.path(),
      storagePrefix: this.#prefix,
    };
    await visitMount(live, this.clock);
  }

  #leased(answer: Response | undefined): SecretType<unknown> & { readonly internal: Data } {
    const { secret } = answer ?? {};
    const type = this.type.secretTypes?.find((candidate) => candidate.type === secret?.type);
    if (!secret || !type) throw new Error('the answer leases nothing of a type that the engine declares');
    return { ...type, internal: secret.internal };
  }

  /** In a transaction of its own, as the system and nobody's request. */
  #inContext<T>(path: string, body: (context: RequestContext) => T | Promise<T>): Promise<T> {
    return Promise.resolve(
      this.#transactor.run((transaction) =>
        body({
          request: this.#request('update', path, {}, {}),
          operation: 'update',
          view: new MountView(transaction, this.#prefix),
          relativePath: path,
          nowMs: this.clock.nowMs(),
          warn: () => undefined,
        }),
      ),
    );
  }

  /** Calls a function of the type with this mount's instance: `engine.withType((type, own) => type.periodic?.(own))`. */
  withType<T>(call: (type: EngineType, engine: unknown) => T): T {
    return call(this.type, this.#engine);
  }

  /** Every key and value of the mount, in plaintext, as text. */
  async stored(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const key of await this.mount.view.keys({ from: '', to: '\u{10ffff}' })) {
      const value = await this.mount.view.get(key);
      if (value) found.set(key, new TextDecoder().decode(value));
    }
    return found;
  }

  /** Changes the mount's options, as `secrets tune` does: another type may serve, which is started. */
  async tune(options: Readonly<Record<string, string>>): Promise<void> {
    this.#setOptions(options);
    const before = this.type;
    this.type = this.#given.forOptions?.(options) ?? this.#given;
    if (this.type === before) return;
    this.#engine = await this.type.create(this.mount);
    this.#table = new PathTable(this.type.paths);
    await this.type.start?.(this.#engine);
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the mount has ended'));
    await this.type.stop?.(this.#engine);
    this.#transactor.close();
    this.#barrier.seal();
  }

  get #prefix(): string {
    return storagePrefixOf({ table: this.mount.path().startsWith('auth/') ? 'auth' : 'secret', uuid: this.mount.uuid });
  }

  #request(operation: Operation, path: string, data: Data, asker: Asker): Request {
    const { remoteAddress = '127.0.0.1', headers = {}, clientCertificates, rawBody } = asker;
    return {
      id: systemRandom.uuid(),
      operation,
      namespace: ROOT_NAMESPACE,
      path: `${this.mount.path()}${path}`,
      data,
      headers,
      connection: { remoteAddress, remotePort: 40_000, ...(clientCertificates ? { clientCertificates } : {}) },
      ...(rawBody ? { rawBody } : {}),
      deadlineMs: this.clock.monotonicMs() + 90_000,
      signal: this.#abort.signal,
      noForwarding: false,
      allowStale: false,
    };
  }
}

/** A mount of a type in memory, behind a barrier of its own: what an engine's specs ask. */
export async function openEngine<E>(givenType: EngineType<E>, options: EngineOptions = {}): Promise<OpenEngine> {
  // As the registry: what `create` makes is what the handlers of the same type get.
  const given = givenType as unknown as EngineType;
  const clock = options.clock ?? new ManualClock();
  const ha = { state: () => ACTIVE };
  const barrier = new AesGcmBarrier({
    backend: new InmemBackend(),
    ha,
    clock,
    random: systemRandom,
    log: silentLog,
    cacheBytesMax: CACHE_BYTES_MAX,
  });
  const rootKey = new Secret(systemRandom.bytes(32));
  await barrier.initialize(rootKey);
  await barrier.unseal(rootKey);
  const transactor = new OptimisticTransactor(barrier, ha);
  const abort = new AbortController();
  let entry = entryOf(options);
  const mount = mountContext({
    barrier,
    transactor,
    clock,
    random: systemRandom,
    log: silentLog,
    signal: abort.signal,
    entry: () => entry,
    offLoop: { run: runHere, close: () => Promise.resolve() },
    system: {
      defaultLeaseTtlSeconds: () => LEASE_TTL_SECONDS,
      maxLeaseTtlSeconds: () => LEASE_TTL_SECONDS,
      clusterId: () => 'cluster-1',
      isActive: () => true,
      generatePassword: () => Promise.reject(badRequest('no password policy found')),
      entity: () => undefined,
    },
  });
  const type = given.forOptions?.(entry.options) ?? given;
  const engine = await type.create(mount);
  await type.start?.(engine);
  const setOptions = (next: Readonly<Record<string, string>>): void => {
    entry = { ...entry, options: next };
  };
  return new OpenEngine({
    given,
    type,
    engine,
    mount,
    clock,
    transactor,
    barrier,
    abort,
    entry: () => entry,
    setOptions,
  });
}

function entryOf({ kind = 'secret', options = {} }: EngineOptions): MountEntry {
  return {
    table: kind,
    namespace: ROOT_NAMESPACE,
    path: 'mount/',
    type: 'under-test',
    description: '',
    uuid: systemRandom.uuid(),
    accessor: `${kind}_1`,
    options,
    local: false,
    sealWrap: false,
    externalEntropyAccess: false,
    pluginVersion: '',
    tuning: NO_TUNING,
    tainted: false,
  };
}

/** Specs need no threads, but what would not run on one fails: all is copied, and found by its name. */
async function runHere<A extends readonly unknown[], T>({ module, name, run }: OffLoopWork<A, T>, args: A): Promise<T> {
  const loaded = (await import(module.href)) as Readonly<Record<string, unknown>>;
  if (loaded[name] !== run) throw new Error(`${module.href} exports no function ${name}`);
  return structuredClone(await run(...structuredClone(args)));
}
