import { isPromise } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { ForwardError } from '@coffer/cluster';
import type { ForwardChannel, ForwardErrorCode } from '@coffer/cluster';
import { ForwardFailure } from '@coffer/core-pipeline';
import type { ForwardFailureKind, Pipeline, Rendered, RequestForwarder } from '@coffer/core-pipeline';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from '@coffer/gateway';
import type { Request } from '@coffer/sdk';
import type { HaCoordinator } from '@coffer/storage';

/** The kind of call that carries a client's request. */
const KIND = 'request';

/** So much later than over there a request is given up here, so that the active node's own answer still arrives. */
const ANSWER_MS = 1000;

const KINDS: Readonly<Record<ForwardErrorCode, ForwardFailureKind>> = {
  unreachable: 'unsent',
  busy: 'busy',
  'too-long': 'too-large',
  interrupted: 'interrupted',
};

/** Sends requests to the active node over the cluster port. */
export class ClusterForwarder implements RequestForwarder {
  readonly #ha: HaCoordinator;
  readonly #channel: ForwardChannel | undefined;
  readonly #clock: Clock;

  constructor(ha: HaCoordinator, channel: ForwardChannel | undefined, clock: Clock) {
    this.#ha = ha;
    this.#channel = channel;
    this.#clock = clock;
  }

  /** @throws ForwardFailure */
  async forward(request: Request): Promise<Rendered> {
    const state = this.#ha.state();
    const leader = state.role === 'standby' ? state.leader : undefined;
    if (!this.#channel || !leader) throw new ForwardFailure('unsent', 'no active node is known');
    try {
      const payload = encodeRequest(request, this.#clock.monotonicMs());
      const answer = decodeAnswer(
        await this.#channel.call(leader, KIND, payload, request.signal, request.deadlineMs + ANSWER_MS),
      );
      // It was the active node when it was asked, and nothing was done: it says so by the standby's status.
      if (answer.status === NOT_ACTIVE) throw new ForwardFailure('unsent', 'the node asked is no longer active');
      return answer;
    } catch (error) {
      if (error instanceof ForwardError)
        throw new ForwardFailure(KINDS[error.code], 'forwarding failed', { cause: error });
      throw error;
    }
  }
}

/** What a node answers that was asked as the active one and is not; never seen by clients (RFC 9110, 421: misdirected). */
const NOT_ACTIVE = 421;

/** Answers requests that standbys send here. */
export function serveForwarded(channel: ForwardChannel, pipeline: Pipeline, clock: Clock): void {
  channel.serve(KIND, async (payload, _from, signal) => {
    const rendered = pipeline.handleForwarded(decodeRequest(payload, clock.monotonicMs(), signal));
    const answer = isPromise(rendered) ? await rendered : rendered;
    return encodeAnswer(answer ?? { status: NOT_ACTIVE, headers: {}, body: undefined });
  });
}
