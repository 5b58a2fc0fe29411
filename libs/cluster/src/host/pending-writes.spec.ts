import { StorageError } from '@coffer/storage';
import { PendingWrites } from './pending-writes.ts';

const data = (size: number): Uint8Array => new Uint8Array(size);
const outcome = (write: Promise<{ index: number }>): Promise<string> =>
  write.then(
    ({ index }) => `done at ${index}`,
    (error: StorageError) => error.code,
  );

describe('writes on their way', () => {
  it('are done when their entry is applied in their term', async () => {
    const writes = new PendingWrites();
    const [first, second] = [outcome(writes.queue(data(1), 3)), outcome(writes.queue(data(1), 3))];
    expect(writes.group(100)).toHaveLength(2);
    writes.proposed(2, 10, 3);
    writes.applied(10, 3);
    writes.applied(11, 4);
    expect([await first, await second]).toEqual(['done at 10', 'epoch-lost']);
    expect([writes.queued, writes.waiting]).toEqual([0, 0]);
  });

  it('form groups of a bounded size, and the rest stays queued', async () => {
    const writes = new PendingWrites();
    const all = [60, 60, 500].map((size) => outcome(writes.queue(data(size), 1)));
    expect(writes.group(100)).toHaveLength(1);
    writes.proposed(1, 1, 1);
    expect(writes.group(100)).toHaveLength(1);
    writes.proposed(1, 2, 1);
    expect(writes.group(100).map(({ length }) => length)).toEqual([500]);
    writes.refuseQueued(() => new StorageError('too-large', ''));
    writes.applied(1, 1);
    writes.applied(2, 1);
    expect(await Promise.all(all)).toEqual(['done at 1', 'done at 2', 'too-large']);
  });

  it('of two reigns at the same index have each their own fate', async () => {
    const writes = new PendingWrites();
    const early = outcome(writes.queue(data(1), 2));
    writes.group(10);
    writes.proposed(1, 7, 2);
    writes.leadLost(0);
    const late = outcome(writes.queue(data(1), 5));
    writes.proposed(1, 7, 5);
    writes.applied(7, 5);
    expect([await early, await late]).toEqual(['epoch-lost', 'done at 7']);
  });

  it('are refused at once when the lead is lost before they were proposed', async () => {
    const writes = new PendingWrites();
    const queued = outcome(writes.queue(data(1), 2));
    writes.leadLost(0);
    expect(await queued).toBe('epoch-lost');
  });

  it('are in doubt when their fate stays unknown for too long after the lead was lost', async () => {
    const writes = new PendingWrites();
    const lost = outcome(writes.queue(data(1), 2));
    writes.proposed(1, 7, 2);
    writes.leadLost(1000);
    writes.expire(10_999);
    expect(writes.waiting).toBe(1);
    const ours = outcome(writes.entry(8, 4));
    writes.expire(11_000);
    expect(await lost).toBe('in-doubt');
    writes.applied(8, 4);
    expect(await ours).toBe('done at 8');
  });

  it('are in doubt where a snapshot hides what became of them', async () => {
    const writes = new PendingWrites();
    const [hidden, later] = [outcome(writes.entry(7, 2)), outcome(writes.entry(9, 2))];
    writes.replaced(8);
    expect(await hidden).toBe('in-doubt');
    writes.applied(9, 3);
    expect(await later).toBe('epoch-lost');
  });

  it('tell what was written from what was not when the disk fails', async () => {
    const writes = new PendingWrites();
    const logged = outcome(writes.entry(7, 2));
    const queued = outcome(writes.queue(data(1), 2));
    writes.abandon(() => new StorageError('disk', ''));
    expect([await logged, await queued]).toEqual(['in-doubt', 'disk']);
  });
});
