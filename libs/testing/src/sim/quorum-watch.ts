import type { PeerId, RaftStanding } from 'raft-ts';
import { Violation } from './violation.ts';

/**
 * Whether a leader hears a quorum (thesis, section 6.2): one that does not, for two election timeouts of its own clock,
 * has to have stepped down, so that its clients go elsewhere.
 */
export class QuorumWatch {
  /** In ticks of the node. */
  #now = 0;
  readonly #heardAt = new Map<PeerId, number>();
  #lonelyTicks = 0;

  heard(from: PeerId): void {
    this.#heardAt.set(from, this.#now);
  }

  /**
   * After each tick of the node.
   *
   * @throws Violation
   */
  ticked(status: RaftStanding, electionTicks: number): void {
    this.#now += 1;
    const { id, role, membership, term } = status;
    const hears = (peer: PeerId): boolean =>
      peer === id || this.#now - (this.#heardAt.get(peer) ?? -Infinity) <= electionTicks;
    const groups = [membership.voters, membership.votersOutgoing];
    const lonely = groups.some((group) => group.length > 0 && 2 * group.filter(hears).length <= group.length);
    this.#lonelyTicks = role === 'leader' && lonely ? this.#lonelyTicks + 1 : 0;
    if (this.#lonelyTicks <= 2 * electionTicks) return;
    throw new Violation('check quorum', `node ${id} leads term ${term} and has long heard no quorum`);
  }
}
