import { createHmac } from 'node:crypto';
import { equalInConstantTime, wipe } from '@coffer/kernel';
import type { Clock, Random } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { JoinChallenge, JoinGrant, JoinSealer } from '../cluster.ts';
import { endpointOf } from '../transport/endpoint.ts';
import { isNodeId } from '../transport/node-name.ts';
import { JoinError } from './join-error.ts';
import { ANSWER_BYTES_MAX, decodeAnswer, encodeGrant, openFor, sealFor } from './join-wire.ts';
import { RequestBudget } from './request-budget.ts';

/** An operator may be typing unseal shares between the two, but a joiner takes a new one for its answer anyway. */
const CHALLENGE_LIFE_MS = 120_000;
/** Solved challenges that are remembered until they expire. Only holders of the seal's key can add to them. */
const SOLVED_MAX = 1024;
const NONCE_BYTES = 32;
const TIME_BYTES = 8;
const MAC_BYTES = 32;
const CHALLENGE_BYTES = NONCE_BYTES + TIME_BYTES + MAC_BYTES;
/** Each challenge costs one encryption; a join takes two requests. */
const BUDGET = { perSource: 20, perSecond: 200, sourcesMax: 1024 };

/**
 * The leader's part of a join: any number of challenges may be out without anything kept for them (compare
 * CVE-2024-8185), since each carries the proof that this process made it: a nonce, when it was made (monotonic
 * milliseconds), and a MAC of both and of the node's id under a key that lives as long as this object. Solved ones are
 * remembered until they expire, so that each serves once. Who cannot decrypt learns nothing and changes nothing.
 */
export class JoinServer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #key: Uint8Array;
  readonly #budget: RequestBudget;
  /** Nonce → when it expires; in that order. */
  readonly #solved = new Map<string, number>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#key = random.bytes(32);
    this.#budget = new RequestBudget(clock, BUDGET);
  }

  /**
   * What a node must be able to read before it is let in.
   *
   * @param asked `source` is the client's address, whose requests are counted
   * @throws JoinError `busy`, `malformed`
   */
  challenge(
    asked: { readonly serverId: string; readonly source: string },
    cluster: { readonly clusterId: string; readonly sealer: JoinSealer; readonly sealConfig: Uint8Array },
  ): JoinChallenge {
    this.#admitRequest(asked);
    const challenge = Buffer.alloc(CHALLENGE_BYTES);
    challenge.set(this.#random.bytes(NONCE_BYTES));
    challenge.writeDoubleBE(this.#clock.monotonicMs(), NONCE_BYTES);
    challenge.set(this.#mac(challenge, asked.serverId), NONCE_BYTES + TIME_BYTES);
    return {
      clusterId: cluster.clusterId,
      sealed: sealFor('challenge', cluster.sealer, challenge),
      sealConfig: cluster.sealConfig,
    };
  }

  /**
   * Lets a node in that solved its challenge: calls `admit` (which makes it a member) and returns the grant, encrypted.
   *
   * @throws JoinError `busy`, `malformed`, `wrong-key`, `stale`; or what `admit` throws
   */
  async answer(
    asked: { readonly serverId: string; readonly source: string; readonly answer: Uint8Array },
    sealer: JoinSealer,
    admit: (joiner: NodeAddress, options: { readonly nonVoter: boolean }) => Promise<JoinGrant>,
  ): Promise<Uint8Array> {
    this.#admitRequest(asked);
    if (asked.answer.length > ANSWER_BYTES_MAX) throw new JoinError('malformed', 'the answer is too long');
    const { challenge, joiner, nonVoter } = decodeAnswer(openFor('answer', sealer, asked.answer));
    if (joiner.nodeId !== asked.serverId) throw new JoinError('malformed', 'the answer is of another node');
    checkAddress(joiner.clusterAddress);
    this.#spend(challenge, asked.serverId);
    const plain = encodeGrant(await admit(joiner, { nonVoter }), challenge);
    try {
      return sealFor('grant', sealer, plain);
    } finally {
      wipe(plain);
    }
  }

  #admitRequest({ serverId, source }: { readonly serverId: string; readonly source: string }): void {
    if (!this.#budget.take(source)) throw new JoinError('busy', 'too many requests to join; try again later');
    if (!isNodeId(serverId)) {
      throw new JoinError('malformed', '"server_id" must be 1 to 128 letters, digits, "_", "-" and "."');
    }
  }

  #spend(challenge: Uint8Array, serverId: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [nonce, expiresMs] of this.#solved) {
      if (expiresMs > nowMs) break;
      this.#solved.delete(nonce);
    }
    const bytes = Buffer.from(challenge);
    const stale = new JoinError('stale', 'the challenge is unknown, used or too old');
    if (bytes.length !== CHALLENGE_BYTES) throw stale;
    if (!equalInConstantTime(bytes.subarray(NONCE_BYTES + TIME_BYTES), this.#mac(bytes, serverId))) throw stale;
    if (nowMs - bytes.readDoubleBE(NONCE_BYTES) > CHALLENGE_LIFE_MS) throw stale;
    const nonce = bytes.toString('hex', 0, NONCE_BYTES);
    if (this.#solved.has(nonce)) throw stale;
    if (this.#solved.size >= SOLVED_MAX) throw new JoinError('busy', 'too many nodes join at once; try again later');
    this.#solved.set(nonce, nowMs + CHALLENGE_LIFE_MS);
  }

  #mac(challenge: Uint8Array, serverId: string): Buffer {
    const hmac = createHmac('sha256', this.#key);
    return hmac
      .update(challenge.subarray(0, NONCE_BYTES + TIME_BYTES))
      .update(serverId)
      .digest();
  }
}

function checkAddress(clusterAddress: string): void {
  try {
    endpointOf(clusterAddress);
  } catch (cause) {
    throw new JoinError('malformed', 'the cluster address must be like https://10.0.0.1:8201', { cause });
  }
}
