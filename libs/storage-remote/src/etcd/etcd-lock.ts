import type { LockRecord, LockStore } from '../remote-store.ts';
import { absent, base64, bytesOf, equals, put } from './etcd-api.ts';
import type { EtcdClient } from './etcd-client.ts';

/** The election's record in two keys of an etcd cluster: its beat, which is compared, and all of it. */
export class EtcdLock implements LockStore {
  readonly kind = 'etcd';
  readonly #client: EtcdClient;
  readonly #beat: string;
  readonly #record: string;

  constructor(client: EtcdClient, prefix: string) {
    this.#client = client;
    this.#beat = `${prefix}lock/beat`;
    this.#record = `${prefix}lock/record`;
  }

  async open(): Promise<void> {
    await this.read();
  }

  async read(): Promise<LockRecord | undefined> {
    const { responses } = await this.#client.txn({ success: [{ request_range: { key: base64(this.#record) } }] });
    const [found] = responses?.[0]?.response_range?.kvs ?? [];
    return found && ({ holder: undefined, ...JSON.parse(bytesOf(found.value).toString()) } as LockRecord);
  }

  async write(record: LockRecord): Promise<boolean> {
    const { beat } = record;
    const { succeeded } = await this.#client.txn({
      compare: [beat === 1 ? absent(this.#beat) : equals(this.#beat, String(beat - 1))],
      success: [put(this.#beat, String(beat)), put(this.#record, JSON.stringify(record))],
    });
    return succeeded === true;
  }

  /** A look every quarter of a second is soon enough. */
  onHint(): void {
    // Nothing is told.
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}
