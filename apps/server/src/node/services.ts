import { assert } from '@coffer/kernel';
import type { Clock, Log, Random, Startable } from '@coffer/kernel';
import type { AesGcmBarrier } from '@coffer/barrier';
import { AuditService } from '@coffer/core-audit';
import type { MountEntry, PluginSource } from '@coffer/core-api';
import { IdentityService, createIdentityEngine } from '@coffer/core-identity';
import { LeaseService } from '@coffer/core-leases';
import { LockoutService } from '@coffer/core-lockout';
import { MountService } from '@coffer/core-mounts';
import type { BuiltInMount, OffLoop } from '@coffer/core-mounts';
import { StateTokens } from '@coffer/core-pipeline';
import type { CoreServices } from '@coffer/core-pipeline';
import { PolicyService } from '@coffer/core-policies';
import { MountRouter } from '@coffer/core-router';
import { TokenService, createTokenEngine } from '@coffer/core-tokens';
import { WrappingService } from '@coffer/core-wrapping';
import { badRequest } from '@coffer/sdk';
import type { EngineType, SystemView } from '@coffer/sdk';
import { OptimisticTransactor } from '@coffer/storage';
import type { HaCoordinator } from '@coffer/storage';

export interface ServiceDeps {
  readonly barrier: AesGcmBarrier;
  readonly ha: HaCoordinator;
  readonly plugins: PluginSource;
  readonly systemEngine: EngineType;
  readonly clusterId: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly offLoop: OffLoop;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
}

/** All services of an unsealed node, by their own types. */
export interface NodeServices extends CoreServices {
  readonly transactor: OptimisticTransactor;
  readonly mounts: MountService;
  readonly tokens: TokenService;
  readonly policies: PolicyService;
  readonly leases: LeaseService;
  readonly identity: IdentityService;
  readonly wrapping: WrappingService;
  readonly audit: AuditService;
  readonly lockout: LockoutService;
}

const STATE_KEY_BYTES = 32;

/** Makes the services of a node that was just unsealed. Nothing runs yet. */
export function makeServices(deps: ServiceDeps): NodeServices {
  const { barrier, ha, clock, random, log, systemTtl } = deps;
  const core = log.named('core');
  const transactor = new OptimisticTransactor(barrier, ha);
  const router = new MountRouter();
  const common = { backend: barrier, transactor, clock, random };
  const identity: IdentityService = new IdentityService({ ...common, router: () => router });
  const policies = new PolicyService({ ...common, identity });
  const leases: LeaseService = new LeaseService({
    ...common,
    router: () => router,
    log: core.named('leases'),
    endToken: (saltedId) => tokens.revokeTree(saltedId),
  });
  const wrapping: WrappingService = new WrappingService({ tokens: () => tokens, clock });
  const tokens: TokenService = new TokenService({
    ...common,
    derive: (purpose, length) => barrier.derive(purpose, length),
    leases: () => leases,
    identity: () => identity,
    router: () => router,
    log: core.named('tokens'),
    cleanUps: [(tx, saltedId) => wrapping.cleanUp(tx, saltedId)],
  });
  const audit = new AuditService({ ...common, plugins: deps.plugins, log: log.named('audit') });
  const lockout = new LockoutService(common);
  const mounts = new MountService({
    ...common,
    barrier,
    router,
    plugins: deps.plugins,
    offLoop: deps.offLoop,
    systemTtl,
    log: core.named('mounts'),
    builtIn: builtInMounts(
      deps,
      createTokenEngine({
        tokens: () => tokens,
        policies: () => policies,
        identity: () => identity,
        router: () => router,
        log: core.named('tokens'),
      }) as EngineType,
      createIdentityEngine({ service: () => identity, router: () => router }) as EngineType,
    ),
    systemViewOf: (entry) => systemView(deps, entry, identity),
    revokeLeases: (namespace, prefix) => leases.revokePrefix(namespace, prefix, { sync: true, force: false }),
    isActive: () => ha.state().role === 'active',
  });
  const stateTokens = new StateTokens(barrier.derive('state-index', STATE_KEY_BYTES).reveal(), deps.clusterId);
  return {
    barrier,
    transactor,
    router,
    mounts,
    tokens,
    policies,
    leases,
    identity,
    wrapping,
    audit,
    lockout,
    stateTokens,
  };
}

function builtInMounts(deps: ServiceDeps, tokens: EngineType, identity: EngineType): readonly BuiltInMount[] {
  const cubbyhole = deps.plugins.engine('secret', 'cubbyhole')?.type;
  assert(cubbyhole !== undefined, 'the cubbyhole is registered');
  return [
    {
      table: 'secret',
      path: 'cubbyhole/',
      type: 'cubbyhole',
      description: 'per-token private secret storage',
      engine: cubbyhole,
    },
    {
      table: 'secret',
      path: 'identity/',
      type: 'identity',
      description: 'identity store',
      engine: identity,
      tuning: { passthroughRequestHeaders: ['Authorization'] },
    },
    {
      table: 'secret',
      path: 'sys/',
      type: 'system',
      description: 'system endpoints used for control, policy and debugging',
      engine: deps.systemEngine,
      sealWrap: true,
      tuning: { passthroughRequestHeaders: ['Accept'] },
    },
    { table: 'auth', path: 'token/', type: 'token', description: 'token based credentials', engine: tokens },
  ];
}

function systemView(deps: ServiceDeps, entry: () => MountEntry, identity: IdentityService): SystemView {
  const { systemTtl } = deps;
  return {
    defaultLeaseTtlSeconds: () => entry().tuning.defaultLeaseTtlSeconds || systemTtl.defaultSeconds,
    maxLeaseTtlSeconds: () => entry().tuning.maxLeaseTtlSeconds || systemTtl.maxSeconds,
    clusterId: deps.clusterId,
    isActive: () => deps.ha.state().role === 'active',
    generatePassword: (name) =>
      Promise.reject(badRequest(name === '' ? 'missing password policy name' : 'no password policy found')),
    entity: (entityId) => identity.entity(entityId),
  };
}

/** Parts that start and stop with the node's unsealing, sorted so that each finds what it needs. */
export function inOrder(parts: readonly Startable[]): readonly Startable[] {
  const sorted: Startable[] = [];
  const visit = (part: Startable, path: readonly string[]): void => {
    assert(!path.includes(part.name), 'the parts of a node do not need each other in a circle');
    if (sorted.includes(part)) return;
    for (const need of part.needs) {
      const other = parts.find((candidate) => candidate.name === need);
      assert(other !== undefined, `the part that ${part.name} needs exists`);
      visit(other, [...path, part.name]);
    }
    sorted.push(part);
  };
  for (const part of parts) visit(part, []);
  return sorted;
}
