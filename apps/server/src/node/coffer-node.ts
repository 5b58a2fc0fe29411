import { Turns, whenReady } from '@coffer/kernel';
import type { MaybePromise, Secret } from '@coffer/kernel';
import { AesGcmBarrier, ShamirSealManager, encryptFor } from '@coffer/barrier';
import type { InitRequest, InitResult, SealStatus } from '@coffer/barrier';
import type { Router } from '@coffer/core-api';
import { OffLoopPool } from '@coffer/core-mounts';
import { RootNamespaces } from '@coffer/core-namespaces';
import type { CoreServices, NodeStatus } from '@coffer/core-pipeline';
import { MountRouter } from '@coffer/core-router';
import { CorsSettings, systemEngine } from '@coffer/core-system';
import type { GenerateRoot, HaNode, LeaderStatus, NodeOperations, Rekey, StorageTrouble } from '@coffer/core-system';
import { ROOT_NAMESPACE, RequestError } from '@coffer/sdk';
import type { EngineType } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import type { HaState } from '@coffer/storage';
import type { NodeSnapshots, RestorableNode } from '../snapshots/cluster-snapshots.ts';
import { writeClusterInfo } from './cluster-info.ts';
import type { ClusterInfo } from './cluster-info.ts';
import { describeInFlight } from './in-flight.ts';
import { KeyAttempts } from './key-attempts.ts';
import type { NodeParts } from './node-parts.ts';
import { haNodes, leaderStatus, nodeMetrics } from './node-report.ts';
import { restoreOn } from './restoring.ts';
import type { RestoringNode } from './restoring.ts';
import { sealedSystemMount } from './sealed-mount.ts';
import { ServiceLife } from './service-life.ts';
import type { NodeServices } from './services.ts';
import { StateReplacement } from './state-replacement.ts';
import type { ReplaceableNode } from './state-replacement.ts';
import { systemPaths } from './system-paths.ts';
import { BUILD_DATE, VERSION } from './version.ts';

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
  readonly #attempts: KeyAttempts;
  readonly #life: ServiceLife;
  readonly #offLoop = new OffLoopPool(2);
  readonly #systemEngine: EngineType;
  readonly #snapshots: NodeSnapshots | undefined;
  readonly #unsubscribe: () => void;
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
    this.#attempts = new KeyAttempts(this.#seal, random, () => this.#life.unsealed());
    this.#life = new ServiceLife({
      parts,
      barrier: this.#barrier,
      offLoop: this.#offLoop,
      systemEngine: () => this.#systemEngine,
      snapshots: () => this.#snapshots,
      resigned: () => this.#attempts.drop(),
    });
    this.#replacement = new StateReplacement(this.#replaceable());
    this.#snapshots = parts.snapshots?.(this.#restorable());
    this.#systemEngine = systemEngine(
      systemPaths(this, () => this.#life.unsealed(), parts.systemTtl, parts.raft, {
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
      serves: () => this.#life.current !== undefined,
      sealed: () => this.#barrier.sealed,
      cutOff: () => this.#life.current?.transactor.close(),
      stopServices: () => this.#life.stop(),
      startServices: () => this.#life.start(),
      seal: () => this.#seal.seal(),
      wake: () => this.#life.wakeWaiters(),
      leave: async () => cluster?.leaveRestored?.(),
    };
  }

  #restorable(): RestorableNode {
    return {
      sealKey: () => this.#seal.snapshotKey(),
      restoring: (state, restore) => restoreOn(this.#restoring(), state, restore),
    };
  }

  // ---- NodeStatus

  initialized(): MaybePromise<boolean> {
    return whenReady(this.#seal.status(), (status) => status.initialized);
  }

  services(): CoreServices | undefined {
    return this.#life.current;
  }

  replacing(): boolean {
    return this.#replacement.underWay;
  }

  ha(): HaState {
    return this.#life.ha();
  }

  haChange(waitMs: number): Promise<void> {
    return this.#life.haChange(waitMs);
  }

  // ---- life

  #haChanged(state: HaState): void {
    if (state.role !== 'active') this.#life.resign();
    this.#turns
      .take(() => this.#life.follow())
      .catch((error: unknown) => this.#parts.log.error('taking over failed', { error }));
  }

  #restoring(): RestoringNode {
    const { cluster, ha, log } = this.#parts;
    return {
      log,
      restoreKept: (state, restore) =>
        cluster?.keepAuthority ? cluster.keepAuthority(this.#barrier, state, restore) : restore([]),
      served: () => this.#replacement.served,
      leads: () => !this.#barrier.sealed && ha.state().role === 'active',
      rotate: () => this.#barrier.rotate(),
    };
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
    return this.#life.info;
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
    await writeClusterInfo({ ha: this.#parts.ha, barrier: this.#barrier }, { id, name });
    await this.#parts.cluster?.createTls(this.#barrier);
    await this.#life.start();
    const services = this.#life.unsealed();
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
      await this.#life.start();
    } catch (error) {
      await this.#sealNow();
      throw error;
    }
    this.#parts.log.info('unsealed');
    this.#parts.unsealed?.();
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
    await this.#life.stop();
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
    if (!ha.enabled || !this.#life.current) return false;
    if (ha.state().role === 'active') await ha.stepDown();
    return ha.state().role !== 'active';
  }

  rekey(): Rekey {
    return this.#attempts.rekey();
  }

  generateRoot(): GenerateRoot {
    return this.#attempts.generateRoot();
  }

  /** The barrier sealed itself: the node follows, unless the whole state was replaced, which says more. */
  #sealLost(): void {
    this.#turns
      .take(async () => {
        await Promise.resolve();
        if (!this.#replacement.underWay && !this.#replacement.mustLeave && this.#life.current) await this.#sealNow();
      })
      .catch((error: unknown) => this.#parts.log.error('sealing failed', { error }));
  }

  leader(): LeaderStatus {
    return leaderStatus(this.#parts, this.#life.current !== undefined);
  }

  haNodes(): readonly HaNode[] {
    return haNodes(this.#parts);
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
    const unsealed = this.#life.current !== undefined;
    return nodeMetrics(this.#parts, { unsealed, active: unsealed && this.ha().role === 'active' }, format);
  }

  /** The cluster's CORS settings; undefined while they are off, and while sealed. */
  cors(origin: string): ReturnType<CorsSettings['judge']> {
    const system = this.#life.current?.router.mount(ROOT_NAMESPACE, 'sys/');
    return system && new CorsSettings(this.#barrier, system.storagePrefix).judge(origin);
  }

  /** SIGHUP. */
  async reopenAuditFiles(): Promise<void> {
    await this.#life.current?.audit.reopen();
  }

  /** Development servers: whatever is done right after the start, as root. */
  async asRoot<T>(work: (services: NodeServices) => Promise<T>): Promise<T> {
    return work(this.#life.unsealed());
  }

  /** A graceful end: hands over, then closes the store. */
  async close(): Promise<void> {
    await this.#turns.take(async () => {
      if (this.#life.current) await this.#sealNow();
    });
    this.#unsubscribe();
    await this.#offLoop.close();
    await this.#barrier.close();
  }
}
