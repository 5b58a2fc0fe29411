import { equalInConstantTime, sleep, wipe } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { JoinChallenge, JoinGrant, JoinSealer, JoinTarget } from '../cluster.ts';
import { JoinError } from './join-error.ts';
import {
  ANSWER_PATH,
  CHALLENGE_PATH,
  challengeFromJson,
  decodeGrant,
  encodeAnswer,
  fieldsOf,
  fromBase64,
  openFor,
  sealFor,
  text,
  toBase64,
} from './join-wire.ts';
import { postToLeader } from './leader-http.ts';

const BACKOFF_MS = 250;
const BACKOFF_MAX_MS = 5000;

/** A node that wants to become a member. */
export interface Joiner {
  readonly address: NodeAddress;
  readonly nonVoter: boolean;
}

/** Joining a cluster through the HTTP API of its nodes, from the joiner's side. */
export class JoinClient {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;

  constructor(clock: Clock, random: Random, log: Log) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  /** Asks one target, once. @throws JoinError, or the signal's reason */
  async challenge(target: JoinTarget, serverId: string, signal: AbortSignal): Promise<JoinChallenge> {
    const means = { clock: this.#clock, signal };
    return challengeFromJson(await postToLeader(target, CHALLENGE_PATH, { server_id: serverId }, means));
  }

  /**
   * Joins through one target, once: takes a challenge, solves it, and opens what it is granted.
   *
   * @throws JoinError (`wrong-key` where the cluster's seal key is another), or the signal's reason
   */
  async join(target: JoinTarget, joiner: Joiner, sealer: JoinSealer, signal: AbortSignal): Promise<JoinGrant> {
    const { nodeId } = joiner.address;
    const { sealed, clusterId } = await this.challenge(target, nodeId, signal);
    const challenge = openFor('challenge', sealer, sealed);
    const answer = encodeAnswer({ challenge, joiner: joiner.address, nonVoter: joiner.nonVoter });
    const body = { server_id: nodeId, answer: toBase64(sealFor('answer', sealer, answer)) };
    const data = await postToLeader(target, ANSWER_PATH, body, { clock: this.#clock, signal });
    const plain = openFor('grant', sealer, fromBase64(text(fieldsOf(data, 'grant'), 'grant')));
    try {
      const granted = decodeGrant(plain);
      if (!equalInConstantTime(granted.challenge, challenge) || granted.grant.clusterId !== clusterId) {
        throw new JoinError('malformed', 'the grant is for another request');
      }
      return granted.grant;
    } finally {
      wipe(plain);
    }
  }

  /**
   * Asks the targets in turn, again and again, until one answers: for a node that is to show which shares it waits
   * for. The challenge may be too old by the time they are there; `joinAny` takes another.
   *
   * @throws the signal's reason
   */
  challengeAny(targets: readonly JoinTarget[], serverId: string, signal: AbortSignal): Promise<JoinChallenge> {
    return this.#untilOne(targets, signal, (target) => this.challenge(target, serverId, signal));
  }

  /**
   * Joins through whichever target lets it, again and again with growing pauses.
   *
   * @throws JoinError `wrong-key` at once, since trying again does not help; or the signal's reason
   */
  joinAny(targets: readonly JoinTarget[], joiner: Joiner, sealer: JoinSealer, signal: AbortSignal): Promise<JoinGrant> {
    return this.#untilOne(targets, signal, (target) => this.join(target, joiner, sealer, signal));
  }

  async #untilOne<T>(
    targets: readonly JoinTarget[],
    signal: AbortSignal,
    attempt: (target: JoinTarget) => Promise<T>,
  ): Promise<T> {
    if (targets.length === 0) throw new JoinError('unreachable', 'there is no node to join');
    for (let pauseMs = BACKOFF_MS; ; pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS)) {
      for (const target of targets) {
        signal.throwIfAborted();
        try {
          return await attempt(target);
        } catch (error) {
          if (!(error instanceof JoinError) || error.code === 'wrong-key') throw error;
          this.#log.info('could not join yet', { leaderApiAddress: target.leaderApiAddress, reason: error.message });
        }
      }
      // Nodes that start together do not ask together.
      await sleep(this.#clock, pauseMs + this.#random.below(pauseMs), signal);
    }
  }
}
