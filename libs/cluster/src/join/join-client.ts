import { equalInConstantTime, wipe } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
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

/** A node that wants to become a member. */
export interface Joiner {
  readonly address: NodeAddress;
  readonly nonVoter: boolean;
}

/** Joining a cluster through the HTTP API of its nodes, from the joiner's side. */
export class JoinClient {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
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
}
