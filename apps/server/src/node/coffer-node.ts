import { hostname } from 'node:os';
import { Secret, Turns, whenReady } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random, Startable } from '@coffer/kernel';
import { AesGcmBarrier, ShamirSealManager, encryptFor } from '@coffer/barrier';
import type { InitRequest, InitResult, SealStatus } from '@coffer/barrier';
import type { PluginSource, Router } from '@coffer/core-api';
import { OffLoopPool } from '@coffer/core-mounts';
import { RootNamespaces } from '@coffer/core-namespaces';
import type { CoreServices, NodeStatus } from '@coffer/core-pipeline';
import { MountRouter } from '@coffer/core-router';
import { CorsSettings, GenerateRoot, Rekey, systemEngine } from '@coffer/core-system';
import type {
  AutopilotOperations,
  HaNode,
  LeaderStatus,
  NodeOperations,
  RaftOperations,
  RaftStatusOperations,
  StorageTrouble,
} from '@coffer/core-system';
import { ROOT_NAMESPACE, RequestError } from '@coffer/sdk';
import type { EngineType, Request } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import type { Backend, HaCoordinator, HaState } from '@coffer/storage';
import type { ClusterPart } from './cluster-part.ts';
import type { NodeSnapshots, RestorableNode } from '../snapshots/cluster-snapshots.ts';
import { describeInFlight } from './in-flight.ts';
import { asMetricsJson, asPrometheus, nodeGauges } from './metrics.ts';
import { StateReplacement } from './state-replacement.ts';
import type { ReplaceableNode } from './state-replacement.ts';
import { sealedSystemMount } from './sealed-mount.ts';
import { inOrder, makeServices } from './services.ts';
import type { NodeServices } from './services.ts';
import { systemPaths } from './system-paths.ts';
import { BUILD_DATE, VERSION } from './version.ts';

/** What a node is made of. */
export interface NodeParts {
  readonly backend: Backend;
  readonly ha: HaCoordinator;
  /** Taking part in a cluster; undefined for stores that need no such thing. */
  readonly cluster?: ClusterPart;
  /** `sys/storage/raft`, where that is the storage. */
  readonly raft?: RaftOperations & RaftStatusOperations & AutopilotOperations;
  /** Snapshots of the state, where the store can be put back to one. */
  readonly snapshots?: (node: RestorableNode) => NodeSnapshots;
  readonly plugins: PluginSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly clusterName: string | undefined;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
  readonly cacheBytesMax: number;
  readonly rawStorageEndpoint: boolean;
  readonly sanitizedConfig: Readonly<Record<string, unknown>>;
  readonly logLevels: Pick<NodeOperations, 'logLevels' | 'setLogLevel' | 'resetLogLevel'>;
  readonly reload: (subsystem: string) => Promise<boolean>;
  /** The requests that are not answered yet, with when they came (ms since 1970). */
  readonly inFlight: () => ReadonlyMap<Request, number>;
}

/** Where a cluster's id and name are kept, encrypted like everything else. */
const CLUSTER_RECORD = 'core/cluster/info';

interface ClusterInfo {
  readonly id: string;
  readonly name: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const parseInfo = (bytes: Uint8Array): ClusterInfo => Object.freeze(JSON.parse(decoder.decode(bytes)) as ClusterInfo);

/**
 * One node: its life between sealed, standby and active. It is what `sys/` speaks for and what the pipeline asks. All
 * changes of state are made one after the other.
 */
export class CofferNode implements NodeOperations, NodeStatus {
  readonly version = VERSION;
  readonly buildDate = BUILD_DATE;
  readonly storageType: string;
  readonly namespaces = new RootNamespaces();
  readonly sealedRouter: Router;
  readonly #parts: NodeParts;
  readonly #barrier: AesGcmBarrier;
  readonly #seal: ShamirSealManager;
  /** Attempts are the active node's alone, and end with its leadership. */
  #rekey: Rekey | undefined;
  #generateRoot: GenerateRoot | undefined;
  readonly #offLoop = new OffLoopPool(2);
  readonly #systemEngine: EngineType;
  readonly #snapshots: NodeSnapshots | undefined;
  readonly #haWaiters = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #services: NodeServices | undefined;
  #started: Startable[] = [];
  #info: ClusterInfo | undefined;
  #activeEpoch: number | undefined;
  #knownSeal: SealStatus | undefined;
  #ending = false;
  readonly #replacement: StateReplacement;
  readonly #turns = new Turns();

  constructor(parts: NodeParts) {
    const { backend, ha, clock, random, log, cacheBytesMax } = parts;
    this.#parts = parts;
    this.storageType = backend.kind;
    this.#barrier = new AesGcmBarrier({
      backend,
      ha,
      clock,
      random,
      log: log.named('barrier'),
      cacheBytesMax,
      lost: () => this.#sealLost(),
    });
    this.#seal = new ShamirSealManager({ barrier: this.#barrier, backend, ha, random });
    this.#replacement = new StateReplacement(this.#replaceable());
    this.#snapshots = parts.snapshots?.(this.#restorable());
    this.#systemEngine = systemEngine(
      systemPaths(this, () => this.#unsealed(), parts.systemTtl, parts.raft, {
        plugins: parts.plugins,
        random,
        rawStorageEndpoint: parts.rawStorageEndpoint,
        ...(this.#snapshots ? { snapshots: this.#snapshots } : {}),
      }),
      { barrier: () => this.#barrier, version: VERSION, buildDate: BUILD_DATE },
    ) as EngineType;
    const router = new MountRouter();
    router.add(sealedSystemMount(this.#systemEngine));
    this.sealedRouter = router;
    const unfollowHa = ha.onChange((state) => this.#haChanged(state));
    // After the barrier's own: it has followed the keys by then, or sealed itself.
    const unfollowState = backend.subscribe(({ everything }) => {
      if (everything) this.#replacement.replaced();
    });
    this.#unsubscribe = (): void => {
      unfollowHa();
      unfollowState();
    };
    parts.cluster?.serveJoins?.(this.#seal);
    parts.cluster?.onRemoved?.(() => this.#wasRemoved());
  }

  #replaceable(): ReplaceableNode {
    const { log, cluster } = this.#parts;
    return {
      turns: this.#turns,
      log,
      serves: () => this.#services !== undefined,
      sealed: () => this.#barrier.sealed,
      cutOff: () => this.#services?.transactor.close(),
      stopServices: () => this.#stopServices(),
      startServices: () => this.#startServices(),
      seal: () => this.#seal.seal(),
      wake: () => {
        for (const wake of [...this.#haWaiters]) wake();
      },
      leave: async () => cluster?.leaveRestored?.(),
    };
  }

  #restorable(): RestorableNode {
    return {
      sealKey: () => this.#seal.snapshotKey(),
      restoring: (restore) => this.#restoring(restore),
    };
  }

  // ---- NodeStatus

  initialized(): MaybePromise<boolean> {
    return whenReady(this.#seal.status(), (status) => status.initialized);
  }

  services(): CoreServices | undefined {
    return this.#services;
  }

  replacing(): boolean {
    return this.#replacement.underWay;
  }

  ha(): HaState {
    const state = this.#parts.ha.state();
    // Leading the log is not enough: until the core has taken over, others are not sent here and writes wait.
    return state.role === 'active' && this.#activeEpoch !== state.epoch ? { role: 'standby' } : state;
  }

  haChange(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#haWaiters.delete(done);
        resolve();
      };
      const cancel = this.#parts.clock.after(waitMs, done);
      this.#haWaiters.add(done);
    });
  }

  #unsealed(): NodeServices {
    if (!this.#services) throw new RequestError('sealed');
    return this.#services;
  }

  // ---- life

  #haChanged(state: HaState): void {
    if (state.role !== 'active') this.#activeEpoch = undefined;
    this.#turns
      .take(() => this.#follow())
      .catch((error: unknown) => this.#parts.log.error('taking over failed', { error }));
  }

  /** Makes the services fit what the node is now. */
  async #follow(): Promise<void> {
    const services = this.#services;
    const state = this.#parts.ha.state();
    if (!services) return;
    if (state.role !== 'active') {
      this.#dropAttempts();
      services.leases.deactivate();
      services.tokens.deactivate();
      services.mounts.deactivate();
      this.#snapshots?.schedules.stop();
    } else if (this.#activeEpoch !== state.epoch) {
      await this.#activate(services);
      this.#activeEpoch = state.epoch;
      this.#parts.log.info('this node is active', { epoch: state.epoch });
    }
    for (const wake of [...this.#haWaiters]) wake();
  }

  /** Resolves when this node serves what was restored, or has sealed itself. */
  async #restoring(restore: () => Promise<unknown>): Promise<void> {
    const keep = await this.#parts.cluster?.keepAuthority?.(this.#barrier);
    await restore();
    await this.#replacement.served;
    if (this.#barrier.sealed || this.#parts.ha.state().role !== 'active') return;
    await keep?.();
    // How often the key of the restored state was used since it was saved, nobody knows.
    await this.#barrier.rotate();
  }

  async #activate(services: NodeServices): Promise<void> {
    await services.policies.ensureBuiltIn();
    await services.mounts.activate();
    services.tokens.activate();
    services.leases.activate();
    const system = services.router.mount(ROOT_NAMESPACE, 'sys/');
    if (system) this.#snapshots?.schedules.start(system.context);
  }

  async #startServices(): Promise<void> {
    const services = makeServices({
      ...this.#parts,
      barrier: this.#barrier,
      systemEngine: this.#systemEngine,
      offLoop: this.#offLoop,
      clusterId: () => this.#info?.id ?? '',
    });
    const parts = inOrder([services.mounts, services.audit, services.tokens, services.leases]);
    this.#started = [];
    try {
      for (const part of parts) {
        await part.start();
        this.#started.unshift(part);
      }
      this.#info = await this.#barrier.getParsed(CLUSTER_RECORD, parseInfo);
    } catch (error) {
      await this.#stopServices();
      throw error;
    }
    this.#services = services;
    await this.#follow();
  }

  async #stopServices(): Promise<void> {
    const services = this.#services;
    this.#services = undefined;
    this.#activeEpoch = undefined;
    this.#dropAttempts();
    this.#snapshots?.schedules.stop();
    for (const part of this.#started.splice(0)) await part.stop();
    services?.policies.close();
    services?.transactor.close();
  }

  // ---- NodeOperations

  sealStatus(): MaybePromise<SealStatus> {
    try {
      return whenReady(this.#seal.status(), (status) => (this.#knownSeal = status));
    } catch (error) {
      // A disk that does not answer has changed nothing.
      if (!(error instanceof StorageError) || !this.#knownSeal) throw error;
      return { ...this.#knownSeal, sealed: this.#barrier.sealed };
    }
  }

  storageTrouble(): StorageTrouble | undefined {
    return this.#parts.cluster?.trouble?.();
  }

  clockSkewMs(): number {
    return this.#parts.cluster?.clockSkewMs?.() ?? 0;
  }

  removedFromCluster(): boolean | undefined {
    return this.#parts.cluster?.removed?.();
  }

  #wasRemoved(): void {
    this.seal().catch((error: unknown) => this.#parts.log.error('sealing a removed node failed', { error }));
  }

  clusterIdentity(): ClusterInfo | undefined {
    return this.#info;
  }

  initialize(request: InitRequest): Promise<InitResult & { readonly rootToken: string }> {
    return this.#turns.take(() => this.#initialize(request, undefined));
  }

  /** As `initialize`, but the node stays unsealed and the root token is a given one (development servers). */
  initializeForDevelopment(rootTokenId: string): Promise<InitResult & { readonly rootToken: string }> {
    return this.#turns.take(() => this.#initialize({ secretShares: 1, secretThreshold: 1 }, rootTokenId));
  }

  async #initialize(
    request: InitRequest,
    developmentToken: string | undefined,
  ): Promise<InitResult & { readonly rootToken: string }> {
    if (await this.initialized()) throw new RequestError('bad-request', 'Vault is already initialized');
    const id = this.#parts.random.uuid();
    const name = this.#parts.clusterName ?? `vault-cluster-${Buffer.from(this.#parts.random.bytes(4)).toString('hex')}`;
    this.#seal.check(request);
    await this.#parts.cluster?.bootstrap(id);
    const result = await this.#seal.initializeUnsealed(request);
    await this.#writeInfo({ id, name });
    await this.#parts.cluster?.createTls(this.#barrier);
    await this.#startServices();
    const services = this.#unsealed();
    const rootToken = (
      await services.transactor.run((tx) =>
        services.tokens.createRoot(tx, developmentToken, developmentToken === undefined ? 'root' : 'create'),
      )
    ).token.reveal();
    if (developmentToken === undefined) await this.#sealNow();
    const shown =
      request.rootTokenPgpKey === undefined
        ? rootToken
        : Buffer.from(await encryptFor(request.rootTokenPgpKey, rootToken)).toString('base64');
    return { ...result, rootToken: shown };
  }

  async #writeInfo(info: ClusterInfo): Promise<void> {
    const state = this.#parts.ha.state();
    if (state.role !== 'active') throw new RequestError('standby');
    await this.#barrier.write({
      epoch: state.epoch,
      ops: [{ kind: 'put', key: CLUSTER_RECORD, value: encoder.encode(JSON.stringify(info)) }],
    });
  }

  unseal(share: Secret<Uint8Array>): Promise<SealStatus> {
    return this.#turns.take(async () => {
      await this.#replacement.leave();
      const before = await this.#seal.status();
      const status = await this.#seal.unseal(share);
      if (before.sealed && !status.sealed) await this.#afterUnseal();
      return this.#seal.status();
    });
  }

  async #afterUnseal(): Promise<void> {
    try {
      await this.#parts.cluster?.connect(this.#barrier);
      await this.#startServices();
    } catch (error) {
      await this.#sealNow();
      throw error;
    }
    this.#parts.log.info('unsealed');
  }

  resetUnseal(): MaybePromise<SealStatus> {
    this.#seal.resetUnseal();
    return this.#seal.status();
  }

  seal(): Promise<void> {
    return this.#turns.take(() => this.#sealNow());
  }

  async #sealNow(): Promise<void> {
    await this.#parts.cluster?.disconnect();
    await this.#stopServices();
    this.#seal.seal();
    this.#parts.log.info('sealed');
  }

  stepDown(): Promise<void> {
    return this.#parts.ha.stepDown();
  }

  ending(): boolean {
    return this.#ending;
  }

  /**
   * The begin of a graceful end: says so in its health, and lets another node lead. Requests are still served.
   *
   * @returns whether another node serves what this one no longer will, as far as known
   */
  async handOver(): Promise<boolean> {
    this.#ending = true;
    const { ha } = this.#parts;
    if (!ha.enabled || !this.#services) return false;
    if (ha.state().role === 'active') await ha.stepDown();
    return ha.state().role !== 'active';
  }

  rekey(): Rekey {
    return (this.#rekey ??= new Rekey(this.#seal, this.#parts.random));
  }

  generateRoot(): GenerateRoot {
    return (this.#generateRoot ??= new GenerateRoot({
      seal: this.#seal,
      random: this.#parts.random,
      createRootToken: async (id) => {
        const { transactor, tokens } = this.#unsealed();
        await transactor.run((tx) => tokens.createRoot(tx, id));
      },
      revokeRootToken: async (id) => {
        const { tokens } = this.#unsealed();
        await tokens.revokeTree(tokens.saltedIdOf(new Secret(id)));
      },
    }));
  }

  /** The barrier sealed itself: the node follows, unless the whole state was replaced, which says more. */
  #sealLost(): void {
    this.#turns
      .take(async () => {
        await Promise.resolve();
        if (!this.#replacement.underWay && !this.#replacement.mustLeave && this.#services) await this.#sealNow();
      })
      .catch((error: unknown) => this.#parts.log.error('sealing failed', { error }));
  }

  #dropAttempts(): void {
    this.#rekey = undefined;
    this.#generateRoot = undefined;
  }

  leader(): LeaderStatus {
    const { ha } = this.#parts;
    const state = ha.state();
    const leader = state.role === 'active' ? ha.self : state.leader;
    return {
      haEnabled: ha.enabled,
      isSelf: this.#services !== undefined && state.role === 'active' && ha.enabled,
      leaderAddress: ha.enabled ? (leader?.apiAddress ?? '') : '',
      leaderClusterAddress: ha.enabled ? (leader?.clusterAddress ?? '') : '',
      ...(state.role === 'active' && ha.enabled ? { activeTime: new Date(state.sinceMs).toISOString() } : {}),
      ...this.#parts.cluster?.indexes(),
    };
  }

  haNodes(): readonly HaNode[] {
    const { ha, cluster } = this.#parts;
    const self: HaNode = { hostname: hostname(), address: ha.self, active: true, version: VERSION };
    const others = cluster?.standbys() ?? [];
    return [
      self,
      ...others.map(({ peer, echo }): HaNode => ({
        hostname: echo?.hostname ?? peer.nodeId,
        address: { nodeId: peer.nodeId, apiAddress: peer.apiAddress, clusterAddress: `https://${peer.address}` },
        active: false,
        version: echo?.version ?? '',
        ...(echo === undefined ? {} : { lastEcho: new Date(echo.atMs).toISOString() }),
      })),
    ];
  }

  sanitizedConfig(): Readonly<Record<string, unknown>> {
    return this.#parts.sanitizedConfig;
  }

  logLevels(): ReadonlyMap<string, string> {
    return this.#parts.logLevels.logLevels();
  }

  setLogLevel(logger: string | undefined, level: string): boolean {
    return this.#parts.logLevels.setLogLevel(logger, level);
  }

  resetLogLevel(logger: string | undefined): boolean {
    return this.#parts.logLevels.resetLogLevel(logger);
  }

  reload(subsystem: string): Promise<boolean> {
    return this.#parts.reload(subsystem);
  }

  requestsInFlight(): Readonly<Record<string, unknown>> {
    return describeInFlight(this.#parts.inFlight());
  }

  metrics(format: 'prometheus' | 'json'): string {
    const ofNode = nodeGauges({
      unsealed: this.#services !== undefined,
      active: this.#services !== undefined && this.ha().role === 'active',
      inFlight: this.#parts.inFlight().size,
    });
    const gauges = [...ofNode, ...(this.#parts.cluster?.gauges?.() ?? [])];
    return format === 'json' ? asMetricsJson(gauges, this.#parts.clock.nowMs()) : asPrometheus(gauges);
  }

  /** The cluster's CORS settings; undefined while they are off, and while sealed. */
  cors(origin: string): ReturnType<CorsSettings['judge']> {
    const system = this.#services?.router.mount(ROOT_NAMESPACE, 'sys/');
    return system && new CorsSettings(this.#barrier, system.storagePrefix).judge(origin);
  }

  /** SIGHUP. */
  async reopenAuditFiles(): Promise<void> {
    await this.#services?.audit.reopen();
  }

  /** Development servers: whatever is done right after the start, as root. */
  async asRoot<T>(work: (services: NodeServices) => Promise<T>): Promise<T> {
    return work(this.#unsealed());
  }

  /** A graceful end: hands over, then closes the store. */
  async close(): Promise<void> {
    await this.#turns.take(async () => {
      if (this.#services) await this.#sealNow();
    });
    this.#unsubscribe();
    await this.#offLoop.close();
    await this.#barrier.close();
  }
}
