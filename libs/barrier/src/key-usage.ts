import { BarrierError } from './barrier.ts';

/** Encryptions that are noted down ahead at a time; a crash or a change of the active node costs at most so many. */
export const USAGE_STEP = 65_536;

interface StoredUsage {
  readonly term: number;
  readonly noted: number;
}

/**
 * Counts the encryptions under the newest key, of all nodes together and across their restarts, never too low: what is
 * stored is ahead of what was used by up to `USAGE_STEP`, and who takes over goes on from there. So counting costs one
 * small value in every 65,536th batch.
 */
export class KeyUsage {
  readonly term: number;
  #used = 0;
  #noted = 0;

  constructor(term: number) {
    this.term = term;
  }

  get used(): number {
    return this.#used;
  }

  add(encryptions: number): void {
    this.#used += encryptions;
  }

  /** What has to be stored together with what was encrypted last, if anything. It is counted, too. */
  note(): Uint8Array | undefined {
    if (this.#used <= this.#noted) return undefined;
    this.#used += 1;
    this.#noted = this.#used + USAGE_STEP;
    const stored: StoredUsage = { term: this.term, noted: this.#noted };
    return new TextEncoder().encode(JSON.stringify(stored));
  }

  /** The last note was not stored: the next batch needs one. */
  noteLost(): void {
    this.#noted = 0;
  }

  /** Takes in what is stored: by another node, or by this one before it was restarted. @throws BarrierError `corrupt` */
  learn(bytes: Uint8Array): void {
    const { term, noted } = parse(bytes);
    // Its own notes come back to it as well; they tell it nothing.
    if (term !== this.term || noted <= this.#noted) return;
    this.#noted = noted;
    this.#used = Math.max(this.#used, noted);
  }
}

function parse(bytes: Uint8Array): StoredUsage {
  let stored: StoredUsage;
  try {
    stored = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as StoredUsage;
  } catch (cause) {
    throw new BarrierError('corrupt', 'the count of encryptions cannot be read', { cause });
  }
  if (!Number.isSafeInteger(stored.term) || !Number.isSafeInteger(stored.noted))
    throw new BarrierError('corrupt', 'the count of encryptions has an unknown form');
  return stored;
}
