import { BoundedCache, isPromise, whenReady } from '@coffer/kernel';
import type { Clock, MaybePromise } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import { encodeJson } from '@coffer/core-api';
import type { Acl, Identity, PolicyStore, StoredPolicy, TokenEntry } from '@coffer/core-api';
import type { AppliedBatch, ListOptions, ParsingBackend, Transaction, Transactor } from '@coffer/storage';
import { DEFAULT_POLICY, HIDDEN, IMMUTABLE, RESPONSE_WRAPPING_POLICY } from './built-in-policies.ts';
import { BARRED_ACL, CompiledAcl, ROOT_ACL } from './compiled-acl.ts';
import type { AppliedPolicy } from './compiled-acl.ts';
import { parsePolicy } from './parse-policy.ts';
import type { ParsedPolicy } from './parse-policy.ts';
import type { PathRule } from './rule.ts';
import { fillTemplates, hasTemplates } from './templates.ts';

/** Policies of a namespace lie below this and its id. */
export const POLICY_RECORDS = 'sys/policy/';

const decoder = new TextDecoder('utf-8', { fatal: true });

export interface PolicyServiceDeps {
  readonly backend: ParsingBackend;
  readonly transactor: Transactor;
  readonly identity: Pick<Identity, 'entity' | 'isBarred' | 'policiesOf' | 'versionOf'>;
  readonly clock: Clock;
}

/** A stored policy and its rules, parsed once. */
interface LoadedPolicy {
  /** Of this reading: another text is another number, even one of the same version and millisecond. */
  readonly reading: number;
  readonly stored: StoredPolicy;
  readonly parsed: ParsedPolicy;
  readonly templated: boolean;
}

export interface PolicyWrite {
  readonly text: string;
  /** Undefined: not checked. -1: there is none yet. */
  readonly cas?: number;
  readonly casRequired?: boolean;
  readonly allowSlashes?: boolean;
  readonly allowWildcards?: boolean;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresMs?: number;
}

/** ACL policies and what they compile to, on every node: what is applied drops what was compiled before. */
export class PolicyService implements PolicyStore {
  readonly #deps: PolicyServiceDeps;
  /** By the whole list of what went in, which a change of any of it makes another. */
  readonly #compiled = new BoundedCache<string, Acl>(10_000);
  /** Of a token's own policies alone; the hot path. Cleared with any change of any policy. */
  readonly #byToken = new Map<TokenEntry, Acl>();
  readonly #unsubscribe: () => void;

  constructor(deps: PolicyServiceDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.backend.subscribe((batch) => this.#applied(batch));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** On the active node: the default policy of a new cluster. */
  async ensureBuiltIn(): Promise<void> {
    await this.#deps.transactor.run(async (tx) => {
      const key = recordKey('root', 'default');
      if ((await tx.get(key)) === undefined)
        putPolicy(tx, {
          ...newPolicy('root', 'default'),
          text: DEFAULT_POLICY,
          version: 1,
          modifiedMs: this.#deps.clock.nowMs(),
        });
    });
  }

  get(namespace: NamespaceRef, name: string): MaybePromise<StoredPolicy | undefined> {
    return whenReady(this.#load(namespace.id, name.toLowerCase()), (loaded) => loaded?.stored);
  }

  /** Names of the policies that have not ended, those in folders after the others; `default` and, last, `root` are always there. */
  async list(namespace: NamespaceRef, page: ListOptions = {}): Promise<readonly string[]> {
    const names = (await this.#deps.backend.list(`${POLICY_RECORDS}${namespace.id}/`, page)).map(decodeURIComponent);
    const live = await Promise.all(names.map(async (name) => (await this.#load(namespace.id, name)) !== undefined));
    const shown = names.filter((name, index) => live[index] && !HIDDEN.has(name));
    const known = [...new Set([...shown, 'default'])].sort(plainFirst);
    return namespace.id === 'root' ? [...known, 'root'] : known;
  }

  /** @throws RequestError for a policy that cannot be parsed or changed, or whose `cas` does not fit */
  async write(tx: Transaction, namespace: NamespaceRef, as: string, write: PolicyWrite): Promise<StoredPolicy> {
    const name = as.toLowerCase();
    if (IMMUTABLE.has(name)) throw badRequest(`cannot update "${name}" policy`);
    parsePolicy(name, write.text);
    if (write.expiresMs && write.expiresMs <= this.#deps.clock.nowMs())
      throw badRequest('refusing to update policy as expiration time has already elapsed');
    const before = await this.#read(tx, namespace.id, name);
    checkAndSet(before, write.cas, write.casRequired ?? false);
    const after: StoredPolicy = {
      name,
      namespaceId: namespace.id,
      text: write.text,
      version: (before?.version ?? 0) + 1,
      casRequired: write.casRequired ?? false,
      allowSlashes: write.allowSlashes ?? false,
      allowWildcards: write.allowWildcards ?? false,
      expiresMs: write.expiresMs ?? 0,
      modifiedMs: this.#deps.clock.nowMs(),
    };
    putPolicy(tx, after);
    return after;
  }

  /** @throws RequestError for policies that are always there */
  delete(tx: Transaction, namespace: NamespaceRef, as: string): void {
    const name = as.toLowerCase();
    if (IMMUTABLE.has(name)) throw badRequest(`cannot delete "${name}" policy`);
    if (name === 'default') throw badRequest('cannot delete default policy');
    tx.delete(recordKey(namespace.id, name));
  }

  async #read(tx: Transaction, namespaceId: string, name: string): Promise<StoredPolicy | undefined> {
    const stored = (await tx.getParsed(recordKey(namespaceId, name), parseLoaded))?.stored;
    return stored && !this.#hasExpired(stored) ? stored : undefined;
  }

  aclFor(entry: TokenEntry): MaybePromise<Acl> {
    const known = this.#byToken.get(entry);
    if (known) return known;
    if (entry.entityId === '') return this.#aclOfToken(entry);
    return whenReady(this.#deps.identity.isBarred(entry.entityId), (barred) =>
      barred ? BARRED_ACL : this.#aclOfToken(entry),
    );
  }

  #aclOfToken(entry: TokenEntry): MaybePromise<Acl> {
    if (entry.policies.includes('root')) return ROOT_ACL;
    if (entry.entityId === '' || entry.noIdentityPolicies)
      return this.#remember(entry, this.aclOf(entry.namespace, entry.policies, entry.entityId));
    const { identity } = this.#deps;
    return whenReady(identity.policiesOf(entry.entityId, entry.namespace), (own) =>
      this.aclOf(entry.namespace, [...entry.policies, ...own], entry.entityId),
    );
  }

  /** Only what depends on nothing but policies and the token itself is remembered by token. */
  #remember(entry: TokenEntry, acl: MaybePromise<Acl>): MaybePromise<Acl> {
    if (isPromise(acl) || entry.entityId !== '' || !(acl instanceof CompiledAcl)) return acl;
    if (this.#byToken.size >= 50_000) this.#byToken.clear();
    this.#byToken.set(entry, acl);
    return acl;
  }

  aclOf(namespace: NamespaceRef, policies: readonly string[], entityId = ''): MaybePromise<Acl> {
    const names = [...new Set(policies)].sort();
    if (names.includes('root') && namespace.id === 'root') return ROOT_ACL;
    const loaded = names.map((name) => this.#load(namespace.id, name));
    if (loaded.some(isPromise)) return Promise.all(loaded).then((all) => this.#compile(namespace, all, entityId));
    return this.#compile(namespace, loaded as readonly (LoadedPolicy | undefined)[], entityId);
  }

  #compile(
    namespace: NamespaceRef,
    loaded: readonly (LoadedPolicy | undefined)[],
    entityId: string,
  ): MaybePromise<Acl> {
    const live = loaded.filter((policy) => policy !== undefined);
    const templated = live.some((policy) => policy.templated);
    const version = templated && entityId !== '' ? this.#deps.identity.versionOf(entityId) : '';
    return whenReady(version, (identityVersion) => {
      // A list of values, never their concatenation: names may hold any separator (CVE-2026-105820).
      const key = JSON.stringify([
        namespace.id,
        namespace.path,
        live.map(({ stored, reading }) => [stored.name, reading]),
        templated ? [entityId, identityVersion] : [],
      ]);
      const known = this.#compiled.get(key);
      if (known) return known;
      const entity = templated && entityId !== '' ? this.#deps.identity.entity(entityId) : undefined;
      return whenReady(entity, (view) => {
        const applied = live.map(({ stored, parsed }): AppliedPolicy => ({
          name: stored.name,
          namespaceId: stored.namespaceId,
          namespacePath: namespace.path,
          rules: endingWith(
            stored,
            fillTemplates(parsed.rules, view, { slashes: stored.allowSlashes, wildcards: stored.allowWildcards }),
          ),
        }));
        const acl = new CompiledAcl(applied, this.#deps.clock);
        this.#compiled.set(key, acl);
        return acl;
      });
    });
  }

  #load(namespaceId: string, name: string): MaybePromise<LoadedPolicy | undefined> {
    if (name === 'root') return undefined;
    if (name === 'response-wrapping') return WRAPPING;
    return whenReady(this.#deps.backend.getParsed(recordKey(namespaceId, name), parseLoaded), (loaded) =>
      loaded && !this.#hasExpired(loaded.stored) ? loaded : undefined,
    );
  }

  #hasExpired(policy: StoredPolicy): boolean {
    return policy.expiresMs !== 0 && policy.expiresMs <= this.#deps.clock.nowMs();
  }

  #applied(batch: AppliedBatch): void {
    if (!batch.everything && !batch.keys.some((key) => key.startsWith(POLICY_RECORDS))) return;
    this.#byToken.clear();
    if (batch.everything) this.#compiled.clear();
  }
}

function plainFirst(a: string, b: string): number {
  const inFolder = Number(a.includes('/')) - Number(b.includes('/'));
  return inFolder !== 0 ? inFolder : a < b ? -1 : 1;
}

/** @param required whether the write itself asks for it from now on */
function checkAndSet(before: StoredPolicy | undefined, cas: number | undefined, required: boolean): void {
  if (cas === undefined) {
    if (required || before?.casRequired) throw badRequest('check-and-set parameter required for this call');
    return;
  }
  const expected = before?.version ?? -1;
  if (cas !== expected && !(cas === 0 && !before))
    throw badRequest('check-and-set parameter did not match the current version');
}

/** Names are one segment, whatever they hold. */
const recordKey = (namespaceId: string, name: string): string =>
  `${POLICY_RECORDS}${namespaceId}/${encodeURIComponent(name)}`;

function newPolicy(namespaceId: string, name: string): StoredPolicy {
  return { name, namespaceId, text: '', version: 0, casRequired: false, expiresMs: 0, modifiedMs: 0 };
}

function putPolicy(tx: Transaction, policy: StoredPolicy): void {
  tx.put(recordKey(policy.namespaceId, policy.name), encodeJson(policy));
}

let readings = 0;

function load(stored: StoredPolicy): LoadedPolicy {
  const parsed = parsePolicy(stored.name, stored.text);
  return Object.freeze({
    reading: ++readings,
    stored: Object.freeze(stored),
    parsed,
    templated: hasTemplates(parsed.rules),
  });
}

/** A policy's rules end with it at the latest: what is compiled outlives the look-up that checked the policy itself. */
function endingWith({ expiresMs }: StoredPolicy, rules: readonly PathRule[]): readonly PathRule[] {
  if (expiresMs === 0) return rules;
  return rules.map((rule) => ({ ...rule, expiresMs: Math.min(rule.expiresMs ?? expiresMs, expiresMs) }));
}

const parseLoaded = (bytes: Uint8Array): LoadedPolicy => load(JSON.parse(decoder.decode(bytes)) as StoredPolicy);

const WRAPPING: LoadedPolicy = load({
  ...newPolicy('root', 'response-wrapping'),
  text: RESPONSE_WRAPPING_POLICY,
  version: 1,
});
