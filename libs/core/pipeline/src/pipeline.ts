import { AssertionFailure, assert, isPromise, whenReady } from '@coffer/kernel';
import type { Clock, Log, MaybePromise } from '@coffer/kernel';
import { BarrierError } from '@coffer/barrier';
import { describeHelp } from '@coffer/core-system';
import { NEVER_ABORTED, RequestError } from '@coffer/sdk';
import type { NamespaceRef, Request } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import { classify } from './classify-error.ts';
import { ForwardFailure } from './forward-failure.ts';
import type { CoreServices, NodeStatus } from './node-status.ts';
import type { Outcome, Rendered } from './outcome.ts';
import { NO_VIEW } from './no-view.ts';
import { redirectTo } from './redirect.ts';
import { render } from './render.ts';
import type { Run } from './run.ts';
import { isRead, runsWhere } from './runs-where.ts';
import { auditRequest, auditResponse } from './stages/audit.stage.ts';
import { authorize } from './stages/authorize.stage.ts';
import { identify } from './stages/identify.stage.ts';
import { locate, refuseUnknown, refuseWriteToFolder, tryTypeFields, typeFields } from './stages/locate.stage.ts';
import { countLogin, refuseLocked } from './stages/lockout.stage.ts';
import { serve, spendUseOfRefused } from './stages/serve.stage.ts';
import { isBehind, untilReached } from './stages/state.stage.ts';
import { unrecorded } from './stages/unrecorded.stage.ts';
import { WaitingRoom } from './waiting-room.ts';

/** Sends a request to the active node and brings its answer. */
export interface RequestForwarder {
  /** @throws ForwardFailure */
  forward(request: Request): Promise<Rendered>;
}

export interface PipelineDeps {
  readonly node: NodeStatus;
  readonly forwarder: RequestForwarder;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a request waits for a leader before 503, in milliseconds, within its own deadline. */
const LEADER_WAIT_MS_MAX = 10_000;

/** A request is for another node; carries nothing. */
const FORWARD = Symbol('forward');

/**
 * The one way of a request: docs/lifecycle.md draws the stages and what each can answer. Immutable requests go through
 * once, forwards; where leadership moves meanwhile and nothing was written, through the whole way again.
 */
export class Pipeline {
  readonly #node: NodeStatus;
  readonly #forwarder: RequestForwarder;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inFlight = new Map<Request, number>();
  readonly #waiting = new WaitingRoom();

  constructor(deps: PipelineDeps) {
    this.#node = deps.node;
    this.#forwarder = deps.forwarder;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** Never rejects: every failure is an answer. */
  handle(request: Request): MaybePromise<Rendered> {
    this.#inFlight.set(request, this.#clock.nowMs());
    let outcome: MaybePromise<Outcome>;
    try {
      outcome = this.#attempt(request);
    } catch (error) {
      return this.#finish(request, this.#again(request, error));
    }
    if (isPromise(outcome)) {
      const rendered = outcome.then(
        (done) => this.#render(request, done),
        (error: unknown) => this.#again(request, error),
      );
      return this.#finish(request, rendered);
    }
    this.#inFlight.delete(request);
    return this.#render(request, outcome);
  }

  async #finish<T>(request: Request, rendered: Promise<T>): Promise<T> {
    try {
      return await rendered;
    } finally {
      this.#inFlight.delete(request);
    }
  }

  /** The requests that are not answered yet, those of other nodes included, with when they came (ms since 1970). */
  requestsInFlight(): ReadonlyMap<Request, number> {
    return this.#inFlight;
  }

  /** Whether the body of writes to a path is handed over as it comes in (`PathTraits.streamedBody`). */
  takesStream(namespace: NamespaceRef, path: string): boolean {
    return (this.#node.services()?.router ?? this.#node.sealedRouter).takesStream(namespace, path);
  }

  /**
   * A request that another node sent here because this one is active. Undefined: it is not, and nothing was done; the
   * sender looks for the active node again.
   */
  handleForwarded(request: Request): MaybePromise<Rendered | undefined> {
    const failed = (error: unknown): Rendered | undefined =>
      isPassing(error) ? undefined : render(request, { kind: 'failed', error: this.#explain(request, error) });
    this.#inFlight.set(request, this.#clock.nowMs());
    try {
      const outcome = this.#attempt(request);
      if (isPromise(outcome)) {
        const rendered = outcome.then((done) => this.#render(request, done), failed);
        return this.#finish(request, rendered);
      }
      this.#inFlight.delete(request);
      return this.#render(request, outcome);
    } catch (error) {
      this.#inFlight.delete(request);
      return failed(error);
    }
  }

  /** What a write has brought about is told beside its answer, for reads that must see it. */
  #render(request: Request, outcome: Outcome): Rendered {
    const rendered = render(request, outcome);
    if (isRead(request.operation) || outcome.kind !== 'answered') return rendered;
    const services = this.#node.services();
    if (!services) return rendered;
    const index = services.stateTokens.issue(services.barrier.appliedIndex());
    return { ...rendered, headers: { ...rendered.headers, 'x-vault-index': index } };
  }

  /** What a failure means: an answer, another node, or another try when a leader is known. */
  async #again(request: Request, failure: unknown): Promise<Rendered> {
    const giveUpMs = Math.min(request.deadlineMs, this.#clock.monotonicMs() + LEADER_WAIT_MS_MAX);
    let error = failure;
    for (;;) {
      const ha = this.#node.ha();
      if (belongsElsewhere(error) && ha.role !== 'active') {
        if (request.noForwarding && ha.leader) return redirectTo(ha.leader.apiAddress, request);
        try {
          if (!request.noForwarding) return await this.#forwarder.forward(request);
        } catch (refused) {
          error = refused;
        }
      }
      if (!isPassing(error) || this.#clock.monotonicMs() >= giveUpMs || request.signal.aborted) {
        return render(request, { kind: 'failed', error: this.#explain(request, error) });
      }
      try {
        await this.#untilHaChange(request, giveUpMs);
        return this.#render(request, await this.#attempt(request));
      } catch (next) {
        error = next;
      }
    }
  }

  /** @throws ForwardFailure `busy` */
  async #untilHaChange(request: Request, giveUpMs: number): Promise<void> {
    this.#waiting.enter(request);
    try {
      await this.#node.haChange(Math.max(1, Math.min(200, giveUpMs - this.#clock.monotonicMs())));
    } finally {
      this.#waiting.leave(request);
    }
  }

  #explain(request: Request, error: unknown): RequestError {
    if (error instanceof AssertionFailure) throw error;
    const told = error === FORWARD ? new RequestError('standby', undefined, { retryAfterSeconds: 1 }) : classify(error);
    if (told.status >= 500 && told.code !== 'sealed') {
      const fields = { requestId: request.id, path: request.path, code: told.code, cause: told.cause };
      // What a client itself gave up is nobody's failure.
      if (request.signal.aborted) this.#log.debug('request given up by its client', fields);
      else this.#log.error('request failed', fields);
    }
    return told;
  }

  /** Once through the stages. @throws RequestError, StorageError, FORWARD */
  #attempt(request: Request): MaybePromise<Outcome> {
    const run: Run = { request, nowMs: this.#clock.nowMs(), warnings: [], operation: request.operation };
    locate(run, this.#node);
    const { services } = run;
    if (!services || run.path?.whileSealed) return this.#serveAnyway(run);
    refuseWriteToFolder(request);
    if (this.#mustForward(run)) throw FORWARD;
    if (run.request.requiredState !== undefined) return this.#afterState(run, services, run.request.requiredState);
    const barrier = this.#mayBeStale(run) ? undefined : services.barrier.readBarrier(heeded(request));
    return whenReady(barrier, () => this.#judgeAndServe(run, services));
  }

  /** Of a read that must see a write that the client knows of (`X-Vault-Index`). */
  #afterState(run: Run, services: CoreServices, state: string): MaybePromise<Outcome> {
    const { request } = run;
    const index = services.stateTokens.indexOf(state);
    if (request.whenBehind !== undefined && isBehind(services, index)) {
      if (request.whenBehind === 'forward' && this.#node.ha().role !== 'active') throw FORWARD;
      throw new RequestError('precondition-failed', 'required index state not present');
    }
    const barrier = this.#mayBeStale(run) ? undefined : services.barrier.readBarrier(heeded(request));
    return whenReady(barrier, () =>
      whenReady(untilReached(services, index, request, this.#clock), () => this.#judgeAndServe(run, services)),
    );
  }

  /** Paths about the node itself, served sealed or not; everything else waits for unsealing. */
  #serveAnyway(run: Run): MaybePromise<Outcome> {
    const { services } = run;
    if (run.path?.whileSealed && run.path.unauthenticated && !run.declared)
      throw new RequestError('unsupported-operation');
    if (run.path?.whileSealed && run.declared) {
      if (run.declared.runs === 'active' && services && this.#node.ha().role !== 'active') throw FORWARD;
      typeFields(run);
      if (services) return this.#judgeAndServe(run, services);
      return this.#serveSealed(run);
    }
    if (!services && run.path?.doneWhileSealed && run.declared)
      return { kind: 'answered', response: undefined, warnings: [], mountType: 'system' };
    return whenReady(this.#node.initialized(), (initialized): Outcome => {
      throw initialized
        ? new RequestError('sealed')
        : new RequestError('sealed', 'Vault is sealed: it is not initialized');
    });
  }

  /** Without token, policy, audit or storage: what a sealed node can do. */
  #serveSealed(run: Run): MaybePromise<Outcome> {
    const { declared, route, fields, request, path } = run;
    if (!declared || !route || !fields || !path?.unauthenticated) throw new RequestError('sealed');
    const warnings = run.warnings;
    const response = declared.handler(route.mount.engine, fields, {
      request,
      operation: request.operation,
      view: NO_VIEW,
      relativePath: route.relativePath,
      nowMs: run.nowMs,
      warn: (text) => void warnings.push(text),
    });
    return whenReady(response, (answered): Outcome => ({
      kind: 'answered',
      response: answered,
      warnings,
      mountType: 'system',
    }));
  }

  #mustForward(run: Run): boolean {
    if (this.#node.ha().role === 'active') return false;
    // What is not mounted here may be mounted already where writes are ordered: this node hears of it in a moment.
    if (!run.declared || run.route?.mount.unavailable !== undefined || run.route?.mount.entry.tainted) return true;
    // A wrapped answer is written down, whatever the operation.
    if (run.request.wrapTtlSeconds !== undefined && run.declared.runs !== 'local') return true;
    if (run.request.toActive === true && run.declared.runs !== 'local') return true;
    return runsWhere(run.declared.runs, run.request.operation) === 'active';
  }

  /**
   * Old state is enough for paths about this very node, and for who says so; but only while this node hears a leader:
   * one that is cut off would honour revoked tokens for as long as that lasts.
   */
  #mayBeStale(run: Run): boolean {
    if (run.declared?.runs === 'local') return true;
    if (!run.request.allowStale) return false;
    const ha = this.#node.ha();
    return ha.role === 'active' || ha.leader !== undefined;
  }

  #judgeAndServe(run: Run, services: CoreServices): MaybePromise<Outcome> {
    const identified = this.#recorded(run, services, () => identify(run, services));
    return whenReady(identified, () => {
      // A token that counts its uses is spent where writes are ordered.
      if (run.token && run.token.numUses > 0 && this.#node.ha().role !== 'active' && run.declared?.runs !== 'local')
        throw FORWARD;
      if (run.path && !run.fields) tryTypeFields(run);
      const judged = this.#recorded(run, services, () => authorize(run, services));
      return whenReady(judged, () =>
        run.mistyped ? this.#refuse(run, services, run.mistyped) : this.#serveAudited(run, services),
      );
    });
  }

  /** Refusals are audited, too. */
  #recorded(run: Run, services: CoreServices, stage: () => MaybePromise<void>): MaybePromise<void> {
    try {
      const judged = stage();
      if (!isPromise(judged)) return;
      return judged.catch((error: unknown) => this.#refuse(run, services, error));
    } catch (error) {
      return this.#refuse(run, services, error);
    }
  }

  /** A refused request is recorded, and spends a use of its token like any other. */
  async #refuse(run: Run, services: CoreServices, error: unknown): Promise<never> {
    if (error instanceof RequestError) {
      await auditRequest(run, services, error);
      await spendUseOfRefused(run, services);
    }
    throw error;
  }

  #serveAudited(run: Run, services: CoreServices): MaybePromise<Outcome> {
    const audited = auditRequest(run, services);
    return whenReady(audited, () => {
      const outcome =
        run.path?.login && run.request.operation !== 'help'
          ? this.#serveLogin(run, services)
          : this.#served(run, services);
      if (!services.audit.enabled) return outcome;
      return this.#auditOutcome(run, services, outcome);
    });
  }

  #served(run: Run, services: CoreServices): MaybePromise<Outcome> {
    if (run.request.operation === 'help') return this.#help(run);
    if (run.token && run.token.numUses > 0) return this.#servedForUse(run, services);
    refuseUnknown(run);
    return serve(run, services);
  }

  /** What fails costs a use, too: the batch that would have taken it was not written. */
  async #servedForUse(run: Run, services: CoreServices): Promise<Outcome> {
    try {
      refuseUnknown(run);
      return await serve(run, services);
    } catch (error) {
      if (error instanceof RequestError && error.code !== 'invalid-token') await spendUseOfRefused(run, services);
      throw error;
    }
  }

  /** Comes from the declarations; no handler runs. */
  #help(run: Run): Outcome {
    const { route } = run;
    if (!route) refuseUnknown(run);
    assert(route !== undefined, 'a request without a route was refused');
    return { kind: 'answered', response: describeHelp(route), warnings: [], mountType: route.mount.entry.type };
  }

  async #serveLogin(run: Run, services: CoreServices): Promise<Outcome> {
    refuseUnknown(run);
    await refuseLocked(run, services);
    try {
      const outcome = await serve(run, services);
      await countLogin(run, services, undefined);
      return outcome;
    } catch (error) {
      if (error instanceof RequestError) await countLogin(run, services, error);
      throw error;
    }
  }

  async #auditOutcome(run: Run, services: CoreServices, pending: MaybePromise<Outcome>): Promise<Outcome> {
    let outcome: Outcome;
    try {
      outcome = await pending;
    } catch (error) {
      if (isPassing(error) || error instanceof AssertionFailure) throw error;
      await auditResponse(run, this.#auditors(run, services), { kind: 'failed', error: classify(error) });
      throw error;
    }
    try {
      await auditResponse(run, this.#auditors(run, services), outcome);
    } catch (error) {
      await unrecorded(run, services, outcome, error, this.#log);
    }
    return outcome;
  }

  /** Work after the commit may have put other services in the place of these, or sealed the node. */
  #auditors(run: Run, services: CoreServices): CoreServices | undefined {
    return run.afterCommit ? this.#node.services() : services;
  }
}

/** A signal worth listening to. */
function heeded({ signal }: Request): AbortSignal | undefined {
  return signal === NEVER_ABORTED ? undefined : signal;
}

/** Only the active node can do it: known before, or found when a read had something to write. */
function belongsElsewhere(error: unknown): boolean {
  return error === FORWARD || (error instanceof StorageError && error.code === 'not-active');
}

/** Nothing was written, and it may go well on another node or in a moment. */
function isPassing(error: unknown): boolean {
  if (error === FORWARD) return true;
  if (error instanceof ForwardFailure) return error.kind === 'unsent';
  if (error instanceof BarrierError) return false;
  return (
    error instanceof StorageError &&
    (error.code === 'not-active' || error.code === 'epoch-lost' || error.code === 'no-leader')
  );
}
