import type { Clock } from '@coffer/kernel';
import { sleep } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { Epoch, KeyRange, ListOptions } from '@coffer/storage';
import { endOfFolder, nameIn, startOfListing } from '../node/listing.ts';
import { Unreachable } from '../remote-store.ts';
import type { Dated, FedGroup, Feed, Group, GroupLimits, Head, RemoteStore } from '../remote-store.ts';
import { absent, base64, bytesOf, equals, folderRange, put, remove } from './etcd-api.ts';
import type { RangeResponse, RequestOp, TxnResponse } from './etcd-api.ts';
import type { EtcdClient } from './etcd-client.ts';
import { keysBelow } from './etcd-keys.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { KeyWalk } from './key-walk.ts';
import type { KeyPage, KeyPages, WalkState } from './key-walk.ts';
import { decodeChanges, encodeChanges, portions } from './staged.codec.ts';
import type { Change } from './staged.codec.ts';

/** What the keys look like; another number is another program's, or a later one's. */
const FORMAT = '1';
/** etcd takes 128 operations in a transaction by default, and 1.5 MiB in a request. */
const TXN_OPS_MAX = 120;
const TXN_BYTES_MAX = 1_100_000;
/** The longest value that fits a request with its key. */
const VALUE_BYTES_MAX = 1_400_000;
/** The keys of a group stand together in one entry of the feed. */
const FED_BYTES_MAX = 1_000_000;
const FEED_PAGE = 20;
const LOOK_AGAIN_MS = 20;
const STAGED_MS_MAX = 4000;

/** A large group that is written, but not yet where it belongs. */
interface Staged {
  readonly id: string;
  /** How many parts it has. */
  readonly parts: number;
}

interface Meta {
  readonly head: Head;
  readonly staged: Staged | undefined;
}

interface FedEntry {
  readonly id: string;
  readonly first: number;
  readonly batches: readonly (readonly string[])[];
}

/**
 * A store in keys of an etcd cluster; see docs/architecture.md for what they hold. A group that fits one transaction is
 * one. A larger one is staged first, takes effect by one transaction that names it, and is then put where it belongs;
 * until it is there, nobody reads.
 */
export class EtcdStore implements RemoteStore, KeyPages {
  readonly kind = 'etcd';
  readonly limits: GroupLimits = {
    keysMax: 10_000,
    bytesMax: 32 * 1024 * 1024,
    keysAtOnce: TXN_OPS_MAX,
    bytesAtOnce: TXN_BYTES_MAX,
    valueBytesMax: VALUE_BYTES_MAX,
    advice: 'it has to be written in smaller parts',
  };
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #keys: EtcdKeys;
  readonly #hints = new Set<() => void>();

  /** @param prefix what all keys begin with; ends with `/` */
  constructor(client: EtcdClient, clock: Clock, prefix: string) {
    this.#client = client;
    this.#clock = clock;
    this.#prefix = prefix;
    this.#keys = keysBelow(prefix);
  }

  async open(): Promise<void> {
    const { format, epoch, index, meta } = this.#keys;
    const { responses } = await this.#client
      .txn({
        compare: [absent(format)],
        success: [put(format, FORMAT), put(epoch, '0'), put(index, '0')],
        failure: [{ request_range: folderRange(meta) }],
      })
      .catch((error: unknown) => {
        if (error instanceof StorageError) throw error;
        const why = error instanceof Error ? error.message : 'unknown error';
        throw new StorageError('disk', `etcd cannot be used: ${why}`, { cause: error });
      });
    const found = this.#valuesOf(responses?.[0]?.response_range).get('format');
    if (found !== undefined && found !== FORMAT)
      throw new StorageError('corrupt', `the keys below ${this.#prefix} are of format ${found}: expected ${FORMAT}`);
    this.#client.watch(base64(index), () => {
      for (const hint of this.#hints) hint();
    });
  }

  async head(): Promise<Head> {
    return (await this.#meta()).head;
  }

  async #meta(): Promise<Meta> {
    return this.#metaOf(await this.#client.txn({ success: [this.#metaRange()] }));
  }

  #metaRange(): RequestOp {
    return { request_range: folderRange(this.#keys.meta) };
  }

  #valuesOf(range: RangeResponse | undefined): ReadonlyMap<string, string> {
    return new Map(
      range?.kvs?.map(({ key, value }) => [
        bytesOf(key).toString().slice(this.#keys.meta.length),
        bytesOf(value).toString(),
      ]),
    );
  }

  /** Of an answer that begins with the meta range. */
  #metaOf({ responses }: TxnResponse): Meta {
    const values = this.#valuesOf(responses?.[0]?.response_range);
    const [epoch, index, staged] = [values.get('epoch'), values.get('index'), values.get('staged')];
    if (epoch === undefined || index === undefined)
      throw new StorageError('corrupt', `the keys below ${this.#prefix} were removed while they were in use`);
    return {
      head: { epoch: Number(epoch), index: Number(index) },
      staged: staged === undefined ? undefined : (JSON.parse(staged) as Staged),
    };
  }

  // ---- reading

  /** Reads a state in which no group is on its way to where it belongs. */
  async #read(op: RequestOp): Promise<{ readonly answer: TxnResponse; readonly index: number }> {
    const untilMs = this.#clock.monotonicMs() + STAGED_MS_MAX;
    for (;;) {
      const answer = await this.#client.txn({ success: [this.#metaRange(), op] });
      const { head, staged } = this.#metaOf(answer);
      if (!staged) return { answer, index: head.index };
      if (this.#clock.monotonicMs() > untilMs)
        throw new Unreachable('a large write was begun by a node that does not end it; the next active node will');
      await sleep(this.#clock, LOOK_AGAIN_MS);
    }
  }

  async get(key: string): Promise<Dated<Uint8Array | undefined>> {
    const { answer, index } = await this.#read({ request_range: { key: base64(this.#keys.data + key) } });
    const [found] = answer.responses?.[1]?.response_range?.kvs ?? [];
    return { value: found && bytesOf(found.value), index };
  }

  async list(prefix: string, { after, limit = Number.POSITIVE_INFINITY }: ListOptions): Promise<Dated<string[]>> {
    const end = endOfFolder(prefix);
    const walk = new KeyWalk(this, end ?? Buffer.of(0xff));
    const names: string[] = [];
    let at = startOfListing(prefix, after);
    while (names.length < limit) {
      const key = await walk.next(at);
      if (key === undefined) break;
      const name = nameIn(prefix, key);
      names.push(name);
      // A folder is left behind whole: '0' follows '/'.
      at = name.endsWith('/') ? Buffer.from(`${prefix}${name.slice(0, -1)}0`) : Buffer.concat([key, Buffer.of(0)]);
    }
    return { value: names, index: await walk.index() };
  }

  async keys({ from, to, limit = Number.POSITIVE_INFINITY }: KeyRange): Promise<Dated<string[]>> {
    const walk = new KeyWalk(this, Buffer.from(to));
    const keys: string[] = [];
    let at = Buffer.from(from);
    while (keys.length < limit) {
      const key = await walk.next(at);
      if (key === undefined) break;
      keys.push(key.toString());
      at = Buffer.concat([key, Buffer.of(0)]);
    }
    return { value: keys, index: await walk.index() };
  }

  /** See `KeyPages`. */
  async page(from: Buffer, to: Buffer, limit: number, state: WalkState | undefined): Promise<KeyPage> {
    const data = Buffer.from(this.#keys.data);
    const op: RequestOp = {
      request_range: {
        key: base64(Buffer.concat([data, from])),
        range_end: base64(Buffer.concat([data, to])),
        limit: String(limit),
        keys_only: true,
        ...(state ? { revision: state.revision } : {}),
      },
    };
    const { answer, index } = state
      ? { answer: await this.#client.txn({ success: [this.#metaRange(), op] }), index: state.index }
      : await this.#read(op);
    const range = answer.responses?.[1]?.response_range;
    return {
      keys: (range?.kvs ?? []).map(({ key }) => bytesOf(key).subarray(data.length)),
      more: range?.more ?? false,
      state: state ?? { revision: answer.header.revision, index },
    };
  }

  // ---- writing

  async commit(group: Group): Promise<boolean> {
    const { epoch, index, staged, feedEntry } = this.#keys;
    const last = group.after + group.batches.length;
    const entry: FedEntry = { id: group.id, first: group.after + 1, batches: group.batches };
    const fed = JSON.stringify(entry);
    if (Buffer.byteLength(fed) > FED_BYTES_MAX)
      throw new StorageError('too-large', 'the keys of a batch have more bytes than etcd takes at once');
    const parts = portions(group.changes, TXN_BYTES_MAX, TXN_OPS_MAX);
    const fitsOne = parts.length <= 1 && Buffer.byteLength(fed) < TXN_BYTES_MAX / 4;
    if (!fitsOne) await this.#stage(group.id, parts);
    const answer = await this.#client.txn({
      compare: [equals(epoch, String(group.epoch)), equals(index, String(group.after)), absent(staged)],
      success: [
        ...(fitsOne ? this.#opsOf(parts[0] ?? []) : [put(staged, stagedText(group.id, parts.length))]),
        put(index, String(last)),
        put(feedEntry(last), fed),
      ],
      failure: [this.#metaRange()],
    });
    const unfinished = answer.succeeded
      ? fitsOne
        ? undefined
        : { id: group.id, parts: parts.length }
      : this.#metaOf(answer).staged;
    if (unfinished) await this.#finishNow(unfinished);
    return answer.succeeded === true;
  }

  /** The group has taken effect: whatever goes wrong now, it was not refused. */
  async #finishNow(staged: Staged): Promise<void> {
    try {
      await this.#finish(staged);
    } catch (cause) {
      throw new Unreachable('a large write took effect, and is not yet where it belongs', { cause });
    }
  }

  #opsOf(changes: readonly Change[]): RequestOp[] {
    return changes.map(([key, value]) =>
      value === undefined ? remove(this.#keys.data + key) : put(this.#keys.data + key, value),
    );
  }

  async #stage(id: string, parts: readonly (readonly Change[])[]): Promise<void> {
    for (const [at, part] of parts.entries())
      await this.#client.txn({ success: [put(this.#keys.stagedPart(id, at), encodeChanges(part))] });
  }

  /** Puts a staged group where it belongs. Whoever does it, and however often, the outcome is the same. */
  async #finish({ id, parts }: Staged): Promise<void> {
    const { staged, stagedPart, stagedFolder } = this.#keys;
    const stillThere = equals(staged, stagedText(id, parts));
    for (let at = 0; at < parts; at++) {
      const { responses } = await this.#client.txn({
        success: [{ request_range: { key: base64(stagedPart(id, at)) } }],
      });
      const [found] = responses?.[0]?.response_range?.kvs ?? [];
      // Someone else has finished it.
      if (!found) return;
      const done = await this.#client.txn({
        compare: [stillThere],
        success: this.#opsOf(decodeChanges(bytesOf(found.value))),
      });
      if (!done.succeeded) return;
    }
    await this.#client.txn({
      compare: [stillThere],
      success: [remove(staged), { request_delete_range: folderRange(stagedFolder(id)) }],
    });
  }

  async claim(epoch: Epoch): Promise<Head> {
    const keys = this.#keys;
    for (;;) {
      const before = await this.#meta();
      if (before.staged) {
        await this.#finish(before.staged);
        continue;
      }
      if (before.head.epoch >= epoch) return before.head;
      const { succeeded } = await this.#client.txn({
        compare: [equals(keys.epoch, String(before.head.epoch)), absent(keys.staged)],
        // With what was staged by those who never came to name it.
        success: [put(keys.epoch, String(epoch)), { request_delete_range: folderRange(keys.allStaged) }],
      });
      if (succeeded) return this.head();
    }
  }

  async feed(after: number): Promise<Feed> {
    const answer = await this.#client.txn({
      success: [this.#metaRange(), { request_range: { ...this.#fedAfter(after), limit: String(FEED_PAGE) } }],
    });
    return { head: this.#metaOf(answer).head, groups: this.#fedGroups(answer.responses?.[1]?.response_range) };
  }

  #fedAfter(after: number): { readonly key: string; readonly range_end: string } {
    return { ...folderRange(this.#keys.feed), key: base64(this.#keys.feedEntry(after + 1)) };
  }

  #fedGroups(range: RangeResponse | undefined): FedGroup[] {
    return (range?.kvs ?? []).map(({ value }) => JSON.parse(bytesOf(value).toString()) as FedEntry);
  }

  async holds({ id, after }: Pick<Group, 'id' | 'after'>): Promise<boolean> {
    const { responses } = await this.#client.txn({
      success: [{ request_range: { ...this.#fedAfter(after), limit: '1' } }],
    });
    return this.#fedGroups(responses?.[0]?.response_range)[0]?.id === id;
  }

  async trim(upTo: number): Promise<void> {
    const { feed, feedEntry } = this.#keys;
    await this.#client.txn({
      success: [{ request_delete_range: { key: base64(feed), range_end: base64(feedEntry(upTo + 1)) } }],
    });
  }

  onHint(listener: () => void): void {
    this.#hints.add(listener);
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}

const stagedText = (id: string, parts: number): string => JSON.stringify({ id, parts });
