import { isPromise } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { ForwardError } from '@coffer/cluster';
import type { ForwardChannel, ForwardErrorCode } from '@coffer/cluster';
import { ForwardFailure } from '@coffer/core-pipeline';
import type { ForwardFailureKind, Pipeline, Rendered, RequestForwarder } from '@coffer/core-pipeline';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from '@coffer/gateway';
import type { StreamExchange } from '@coffer/gateway';
import { RequestError } from '@coffer/sdk';
import type { Request } from '@coffer/sdk';
import type { HaCoordinator } from '@coffer/storage';
import type { BodyStreams, StreamRef } from './body-streams.ts';

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
  readonly #streams: BodyStreams | undefined;

  constructor(ha: HaCoordinator, channel: ForwardChannel | undefined, clock: Clock, streams: BodyStreams | undefined) {
    this.#streams = streams;
    this.#ha = ha;
    this.#channel = channel;
    this.#clock = clock;
  }

  /** @throws ForwardFailure */
  async forward(request: Request): Promise<Rendered> {
    const state = this.#ha.state();
    const leader = state.role === 'standby' ? state.leader : undefined;
    if (!this.#channel || !leader) throw new ForwardFailure('unsent', 'no active node is known');
    // What was read of it is with the former active node.
    if (request.bodyStream?.begun) {
      const text = 'the active node changed while the body came in: send the request again';
      throw new RequestError('standby', text, { retryAfterSeconds: 1 });
    }
    const exchange = this.#streams && exchangeWith(this.#streams, leader.nodeId, request.signal);
    try {
      const payload = encodeRequest(request, this.#clock.monotonicMs(), exchange);
      // How long a body takes is not known before.
      const giveUpMs = request.bodyStream ? undefined : request.deadlineMs + ANSWER_MS;
      const answer = decodeAnswer(await this.#channel.call(leader, KIND, payload, request.signal, giveUpMs), exchange);
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
export function serveForwarded(channel: ForwardChannel, pipeline: Pipeline, clock: Clock, streams: BodyStreams): void {
  channel.serve(KIND, async (payload, from, signal) => {
    const exchange = exchangeWith(streams, from, signal);
    const rendered = pipeline.handleForwarded(decodeRequest(payload, clock.monotonicMs(), signal, exchange));
    const answer = isPromise(rendered) ? await rendered : rendered;
    return encodeAnswer(answer ?? { status: NOT_ACTIVE, headers: {}, body: undefined }, exchange);
  });
}

function exchangeWith(streams: BodyStreams, nodeId: string, signal: AbortSignal): StreamExchange {
  return {
    offer: (body) => ({ ...streams.offer(body, nodeId) }),
    // A member of this cluster wrote it: mutual TLS vouches for the form.
    fetch: (place) => {
      const ref = place as unknown as StreamRef;
      if (ref.node.nodeId !== nodeId) throw new ForwardError('interrupted', 'a body at another node than its request');
      return streams.fetch(ref, signal);
    },
  };
}
