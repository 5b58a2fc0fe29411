import { describeBatches } from './batches.contract.ts';
import { describeEnd } from './end.contract.ts';
import { describeFeed } from './feed.contract.ts';
import { describeListing } from './listing.contract.ts';
import { describeRanges } from './ranges.contract.ts';
import { describeValues } from './values.contract.ts';
import { text } from './trial.ts';
import type { BackendTraits, BackendUnderTest, SetUp } from './trial.ts';

export type { BackendTraits, BackendUnderTest } from './trial.ts';

/**
 * What every `Backend` promises, as tests. Call it at the top level of a spec file.
 *
 * @param make makes an empty store for each test
 * @example
 *   describeBackend('inmem', () => Promise.resolve({ backend: new InmemBackend(), epoch: () => 1 }));
 */
export function describeBackend(name: string, make: () => Promise<BackendUnderTest>, traits: BackendTraits = {}): void {
  describe(`the store ${name}`, () => {
    let made: BackendUnderTest;
    const setUp: SetUp = {
      store: () => made.backend,
      made: () => made,
      write: (ops) => made.backend.write({ ops, epoch: made.epoch() }),
      read: async (key) => text(await made.backend.get(key)),
    };

    beforeEach(async () => {
      made = await make();
    });

    afterEach(async () => {
      await made.dispose?.();
    });

    describeValues(setUp, traits);
    describeListing(setUp);
    describeRanges(setUp);
    describeBatches(setUp);
    describeFeed(setUp);
    describeEnd(setUp);
  });
}
