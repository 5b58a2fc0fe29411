import type { Clock, Random } from '@coffer/kernel';
import type { PeerId } from 'raft-ts';
import type { RaftDriver } from './raft-driver.ts';

/** A standby waits this long and a random part more, so that two of them seldom campaign at once. */
const CAMPAIGN_MS_MIN = 10;
const CAMPAIGN_MS_RANDOM = 60;
/** The others may not have noticed yet and refuse the pre-vote: so often it is tried, until the timeout takes over. */
const CAMPAIGNS_MAX = 4;

/**
 * A connection to the leader that is refused is a hint that its process died: it shortens the wait before a pre-vote.
 * A wrong hint does no harm, since those that still hear the leader refuse.
 */
export class LeaderHints {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #driver: () => RaftDriver | undefined;
  #waiting = false;

  constructor(clock: Clock, random: Random, driver: () => RaftDriver | undefined) {
    this.#clock = clock;
    this.#random = random;
    this.#driver = driver;
  }

  unreachable(peer: PeerId, how: 'refused' | 'silent'): void {
    const driver = this.#driver();
    if (driver === undefined) return;
    driver.act(() => driver.raft.reportUnreachable(peer));
    const { role, leader } = driver.standing;
    if (how === 'refused' && role === 'follower' && leader === peer && !this.#waiting) this.#campaignSoon(peer, 1);
  }

  #campaignSoon(lost: PeerId, attempt: number): void {
    this.#waiting = true;
    this.#clock.after(CAMPAIGN_MS_MIN + this.#random.below(CAMPAIGN_MS_RANDOM), () => {
      this.#waiting = false;
      const driver = this.#driver();
      if (driver === undefined) return;
      const { role, leader } = driver.standing;
      if (role === 'leader' || role === 'learner' || (leader !== lost && leader !== 0)) return;
      driver.act(() => driver.raft.campaign());
      if (attempt < CAMPAIGNS_MAX) this.#campaignSoon(lost, attempt + 1);
    });
  }
}
