import { InmemBackend, OptimisticTransactor, StorageError } from '@coffer/storage';
import type { KeyRange, ParsingBackend, WriteBatch, WriteResult } from '@coffer/storage';

/** A store in memory that parses, counts what is read, and can be made to fail. */
export class TestStore extends InmemBackend implements ParsingBackend {
  /** The writes after so many more fail. */
  writesLeft = Number.POSITIVE_INFINITY;
  keysRead = 0;
  valuesRead = 0;

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    this.valuesRead += 1;
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }

  override keys(range: KeyRange): string[] {
    const found = super.keys(range);
    this.keysRead += found.length;
    return found;
  }

  override write(batch: WriteBatch): Promise<WriteResult> {
    if (this.writesLeft <= 0) return Promise.reject(new StorageError('disk', 'the disk is full'));
    this.writesLeft -= 1;
    return super.write(batch);
  }

  transactor(): OptimisticTransactor {
    return new OptimisticTransactor(this, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  }
}
