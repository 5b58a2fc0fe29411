import type { HealthCheckService, HealthIndicatorFunction, HealthIndicatorService } from '@nestjs/terminus';
import type { MaybePromise } from '@coffer/kernel';
import type { HaState } from '@coffer/storage';

/** What the probes look at; nothing of it is secret. */
export interface ProbedNode {
  sealStatus(): MaybePromise<{ readonly initialized: boolean; readonly sealed: boolean }>;
  ha(): HaState;
  /** Whether it was told to end. */
  ending(): boolean;
  /** What is wrong with the storage of this node, if anything. */
  storageFault(): string | undefined;
}

/**
 * Probes for orchestrators and load balancers, in the form of `@nestjs/terminus`. `live`: the process answers and its
 * storage works; restarting helps where it does not. `ready`: it can serve clients, itself or by the active node.
 */
export class Probes {
  readonly #checks: HealthCheckService;
  readonly #indicators: HealthIndicatorService;
  readonly #node: ProbedNode;

  constructor(checks: HealthCheckService, indicators: HealthIndicatorService, node: ProbedNode) {
    this.#checks = checks;
    this.#indicators = indicators;
    this.#node = node;
  }

  /** @throws ServiceUnavailableException, with the result */
  live(): ReturnType<HealthCheckService['check']> {
    return this.#checks.check([this.#storage()]);
  }

  /** @throws ServiceUnavailableException, with the result */
  ready(): ReturnType<HealthCheckService['check']> {
    return this.#checks.check([this.#storage(), this.#seal(), this.#leader()]);
  }

  #storage(): HealthIndicatorFunction {
    return () => {
      const session = this.#indicators.check('storage');
      const reason = this.#node.storageFault();
      return reason === undefined ? session.up() : session.down({ reason });
    };
  }

  #seal(): HealthIndicatorFunction {
    return async () => {
      const session = this.#indicators.check('seal');
      const { initialized, sealed } = await this.#node.sealStatus();
      if (!initialized) return session.down({ reason: 'not initialized' });
      return sealed ? session.down({ reason: 'sealed' }) : session.up();
    };
  }

  #leader(): HealthIndicatorFunction {
    return () => {
      const session = this.#indicators.check('leader');
      if (this.#node.ending()) return session.down({ reason: 'the node is about to end' });
      const state = this.#node.ha();
      if (state.role === 'active') return session.up({ role: state.role });
      return state.leader ? session.up({ role: state.role }) : session.down({ reason: 'no active node is known' });
    };
  }
}
