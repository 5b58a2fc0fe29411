import type { Message, Term } from './message.ts';

/**
 * Whether a message promises nothing that our own disk must hold first, given that its term is durable: appends and
 * heartbeats speak of a leader's term (thesis, section 10.2.1), and reads of what is committed.
 */
function mayGoEarly(kind: Message['kind']): boolean {
  switch (kind) {
    case 'append':
    case 'heartbeat':
    case 'heartbeat-reply':
    case 'read-index':
    case 'read-index-reply':
      return true;
    default:
      return false;
  }
}

/** Messages that wait for the next `Ready`. */
export class Outbox {
  #early: Message[] = [];
  #late: Message[] = [];

  get isEmpty(): boolean {
    return this.#early.length === 0 && this.#late.length === 0;
  }

  /** @param durableTerm the term that is on our own disk */
  send(message: Message, durableTerm: Term): void {
    if (message.term === durableTerm && mayGoEarly(message.kind)) this.#early.push(message);
    else this.#late.push(message);
  }

  /** Hands over everything. */
  take(): { readonly early: readonly Message[]; readonly late: readonly Message[] } {
    const taken = { early: this.#early, late: this.#late };
    this.#early = [];
    this.#late = [];
    return taken;
  }
}
