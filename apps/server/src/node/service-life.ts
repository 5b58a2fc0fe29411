import type { AesGcmBarrier } from '@coffer/barrier';
import type { OffLoopPool } from '@coffer/core-mounts';
import type { Startable } from '@coffer/kernel';
import { ROOT_NAMESPACE, RequestError } from '@coffer/sdk';
import type { EngineType } from '@coffer/sdk';
import type { HaState } from '@coffer/storage';
import type { NodeSnapshots } from '../snapshots/cluster-snapshots.ts';
import { readClusterInfo } from './cluster-info.ts';
import type { ClusterInfo } from './cluster-info.ts';
import type { NodeParts } from './node-parts.ts';
import { inOrder, makeServices } from './services.ts';
import type { NodeServices } from './services.ts';

export interface ServiceLifeDeps {
  readonly parts: NodeParts;
  readonly barrier: AesGcmBarrier;
  readonly offLoop: OffLoopPool;
  readonly systemEngine: () => EngineType;
  readonly snapshots: () => NodeSnapshots | undefined;
  /** The lead is lost, or the services end. */
  readonly resigned: () => void;
}

/**
 * The services of an unsealed node: made and started by unsealing, active while the node leads, stopped by sealing. The
 * caller makes one change after the other.
 */
export class ServiceLife {
  readonly #deps: ServiceLifeDeps;
  readonly #haWaiters = new Set<() => void>();
  #services: NodeServices | undefined;
  #started: Startable[] = [];
  #info: ClusterInfo | undefined;
  #activeEpoch: number | undefined;

  constructor(deps: ServiceLifeDeps) {
    this.#deps = deps;
  }

  /** Undefined while sealed. */
  get current(): NodeServices | undefined {
    return this.#services;
  }

  /** @throws RequestError `sealed` */
  unsealed(): NodeServices {
    if (!this.#services) throw new RequestError('sealed');
    return this.#services;
  }

  /** What the cluster is called, as last read. */
  get info(): ClusterInfo | undefined {
    return this.#info;
  }

  ha(): HaState {
    const state = this.#deps.parts.ha.state();
    // Leading the log is not enough: until the core has taken over, others are not sent here and writes wait.
    return state.role === 'active' && this.#activeEpoch !== state.epoch ? { role: 'standby' } : state;
  }

  /** Resolves when what the node is has changed, or after `waitMs`. */
  haChange(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#haWaiters.delete(done);
        resolve();
      };
      const cancel = this.#deps.parts.clock.after(waitMs, done);
      this.#haWaiters.add(done);
    });
  }

  wakeWaiters(): void {
    for (const wake of [...this.#haWaiters]) wake();
  }

  /** At once, before the services follow: nobody is sent here any more. */
  resign(): void {
    this.#activeEpoch = undefined;
  }

  /** Makes the services fit what the node is now. */
  async follow(): Promise<void> {
    const { parts, resigned, snapshots } = this.#deps;
    const services = this.#services;
    const state = parts.ha.state();
    if (!services) return;
    if (state.role !== 'active') {
      resigned();
      services.leases.deactivate();
      services.tokens.deactivate();
      services.mounts.deactivate();
      snapshots()?.schedules.stop();
    } else if (this.#activeEpoch !== state.epoch) {
      await this.#activate(services);
      this.#activeEpoch = state.epoch;
      parts.log.info('this node is active', { epoch: state.epoch });
    }
    this.wakeWaiters();
  }

  async #activate(services: NodeServices): Promise<void> {
    await services.policies.ensureBuiltIn();
    await services.mounts.activate();
    services.tokens.activate();
    services.leases.activate();
    const system = services.router.mount(ROOT_NAMESPACE, 'sys/');
    if (system) this.#deps.snapshots()?.schedules.start(system.context);
  }

  /** On a barrier that was just unsealed. */
  async start(): Promise<void> {
    const { parts, barrier, offLoop, systemEngine } = this.#deps;
    const services = makeServices({
      ...parts,
      barrier,
      systemEngine: systemEngine(),
      offLoop,
      clusterId: () => this.#info?.id ?? '',
    });
    this.#started = [];
    try {
      for (const part of inOrder([services.mounts, services.audit, services.tokens, services.leases])) {
        await part.start();
        this.#started.unshift(part);
      }
      this.#info = await readClusterInfo(barrier);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#services = services;
    await this.follow();
  }

  async stop(): Promise<void> {
    const services = this.#services;
    this.#services = undefined;
    this.#activeEpoch = undefined;
    this.#deps.resigned();
    this.#deps.snapshots()?.schedules.stop();
    for (const part of this.#started.splice(0)) await part.stop();
    services?.policies.close();
    services?.transactor.close();
  }
}
