import { BoundedCache } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Token buckets: so many requests a second from each source and from all together, and a burst of as many at once. */
export class RequestBudget {
  readonly #clock: Clock;
  readonly #perSource: number;
  readonly #perSecond: number;
  readonly #sources: BoundedCache<string, Bucket>;
  readonly #all: Bucket;

  /** @param sourcesMax so many sources are remembered; one that was forgotten begins with a full bucket */
  constructor(
    clock: Clock,
    bounds: { readonly perSource: number; readonly perSecond: number; readonly sourcesMax: number },
  ) {
    this.#clock = clock;
    this.#perSource = bounds.perSource;
    this.#perSecond = bounds.perSecond;
    this.#sources = new BoundedCache(bounds.sourcesMax);
    this.#all = { tokens: bounds.perSecond, filledAtMs: clock.monotonicMs() };
  }

  /** Takes one request out of the budget, if there is one. A source that has used up its own takes none from others. */
  take(source: string): boolean {
    let bucket = this.#sources.get(source);
    if (bucket === undefined) {
      bucket = { tokens: this.#perSource, filledAtMs: this.#clock.monotonicMs() };
      this.#sources.set(source, bucket);
    }
    this.#fill(bucket, this.#perSource);
    this.#fill(this.#all, this.#perSecond);
    if (bucket.tokens < 1 || this.#all.tokens < 1) return false;
    bucket.tokens -= 1;
    this.#all.tokens -= 1;
    return true;
  }

  #fill(bucket: Bucket, perSecond: number): void {
    const nowMs = this.#clock.monotonicMs();
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((nowMs - bucket.filledAtMs) / 1000) * perSecond);
    bucket.filledAtMs = nowMs;
  }
}
