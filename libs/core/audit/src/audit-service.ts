import { Turns, asFolder } from '@coffer/kernel';
import type { CancelTimer, Clock, Log, MaybePromise, Random, Startable } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { AuditDevice } from '@coffer/sdk';
import { encodeJson } from '@coffer/core-api';
import type { AuditBroker, AuditEvent, PluginSource } from '@coffer/core-api';
import type { AppliedBatch, ParsingBackend, Transactor } from '@coffer/storage';
import { AUDIT_RECORDS, HEADERS_RECORD, parseDevice, parseHeaders } from './audit-records.ts';
import type { AuditDeviceRecord, AuditedHeaders } from './audit-records.ts';
import { formatEntry } from './format-entry.ts';
import { Hasher } from './hasher.ts';

export interface AuditServiceDeps {
  readonly backend: ParsingBackend;
  readonly transactor: Transactor;
  readonly plugins: Pick<PluginSource, 'auditDevice'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Lines that a device has not taken yet; beyond that it counts as failing, and the others go on. */
const WAITING_MAX = 10_000;

/** Waits before a device that could not be opened is tried again: the first, doubled up to the longest. */
const FIRST_RETRY_MS = 5_000;
const RETRY_MS_MAX = 60_000;

interface OpenDevice {
  readonly record: AuditDeviceRecord;
  readonly device: AuditDevice;
  readonly hasher: Hasher;
  readonly hashAccessors: boolean;
  readonly elideLists: boolean;
  readonly prefix: string;
  /** Stored, but it could not be opened yet. */
  readonly broken: boolean;
  waiting: number;
  failing: boolean;
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1' || text === 't';

/** Audit devices on this node; see `AuditBroker`. Every node opens the devices that are stored. */
export class AuditService implements AuditBroker, Startable {
  readonly name = 'audit';
  readonly needs: readonly string[] = [];
  readonly #deps: AuditServiceDeps;
  readonly #devices = new Map<string, OpenDevice>();
  #headers: AuditedHeaders = {};
  #unsubscribe: (() => void) | undefined;
  readonly #turns = new Turns();
  #retry: CancelTimer | undefined;
  #retryMs = FIRST_RETRY_MS;

  constructor(deps: AuditServiceDeps) {
    this.#deps = deps;
  }

  get enabled(): boolean {
    return this.#devices.size > 0;
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#deps.backend.subscribe((batch) => this.#applied(batch));
    await this.#reload();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#turns.take(async () => {
      this.#retry?.();
      this.#retry = undefined;
      for (const path of [...this.#devices.keys()]) await this.#close(path);
    });
  }

  request(event: AuditEvent): MaybePromise<void> {
    return this.#write('request', event);
  }

  response(event: AuditEvent): MaybePromise<void> {
    return this.#write('response', event);
  }

  #write(type: 'request' | 'response', event: AuditEvent): MaybePromise<void> {
    if (this.#devices.size === 0) return;
    const written = [...this.#devices.values()].map((open) => this.#writeTo(open, type, event));
    return Promise.any(written).then(
      () => undefined,
      (error: unknown) => {
        throw new Error('no audit device took the line', {
          cause: error instanceof AggregateError ? error.errors[0] : error,
        });
      },
    );
  }

  async #writeTo(open: OpenDevice, type: 'request' | 'response', event: AuditEvent): Promise<void> {
    if (open.waiting >= WAITING_MAX) {
      this.#failed(open, new Error(`${String(WAITING_MAX)} lines wait already`));
      throw new Error('the device does not keep up');
    }
    open.waiting++;
    try {
      const { hasher, hashAccessors, elideLists, prefix } = open;
      await open.device.write(
        prefix + formatEntry(type, event, { hasher, hashAccessors, elideLists, headers: this.#headers }),
      );
      if (open.failing) {
        open.failing = false;
        this.#deps.log.info('an audit device works again', { path: open.record.path });
      }
    } catch (error) {
      this.#failed(open, error);
      throw error;
    } finally {
      open.waiting--;
    }
  }

  #failed(open: OpenDevice, error: unknown): void {
    if (!open.failing)
      this.#deps.log.error('an audit device fails; the others go on', { path: open.record.path, error });
    open.failing = true;
  }

  list(): readonly AuditDeviceRecord[] {
    return [...this.#devices.values()].map(({ record }) => record).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** @throws RequestError for options that do not fit, and for paths in use */
  async enable(
    path: string,
    type: string,
    description: string,
    local: boolean,
    options: Readonly<Record<string, string>>,
  ): Promise<void> {
    const clean = asFolder(path);
    if ([...this.#devices.keys()].some((taken) => taken.startsWith(clean) || clean.startsWith(taken)))
      throw badRequest('path already in use');
    const record: AuditDeviceRecord = {
      path: clean,
      type,
      description,
      local,
      options,
      salt: Buffer.from(this.#deps.random.bytes(32)).toString('base64'),
    };
    await this.#open(record);
    try {
      await this.#deps.transactor.run((tx) => {
        tx.put(AUDIT_RECORDS + clean, encodeJson(record));
      });
    } catch (error) {
      await this.#close(clean);
      throw error;
    }
  }

  async disable(path: string): Promise<void> {
    const clean = asFolder(path);
    await this.#deps.transactor.run((tx) => {
      tx.delete(AUDIT_RECORDS + clean);
    });
    await this.#close(clean);
  }

  /** What a value looks like in a device's lines. @throws RequestError for an unknown device */
  hash(path: string, input: string): string {
    const clean = asFolder(path);
    const open = this.#devices.get(clean);
    if (!open) throw badRequest(`unknown audit backend "${clean}"`);
    return open.hasher.hash(input);
  }

  headers(): AuditedHeaders {
    return this.#headers;
  }

  async setHeader(name: string, hmac: boolean | undefined): Promise<void> {
    const lower = name.toLowerCase();
    await this.#deps.transactor.run(async (tx) => {
      const before = new Map(Object.entries((await tx.getParsed(HEADERS_RECORD, parseHeaders)) ?? {}));
      if (hmac === undefined) before.delete(lower);
      else before.set(lower, { hmac });
      tx.put(HEADERS_RECORD, encodeJson(Object.fromEntries(before)));
    });
    this.#headers = (await this.#deps.backend.getParsed(HEADERS_RECORD, parseHeaders)) ?? {};
  }

  /** SIGHUP: files that were rotated are opened anew; what could not be opened is tried at once. */
  async reopen(): Promise<void> {
    await this.#turns.take(() => this.#openBroken());
    for (const open of this.#devices.values()) {
      if (open.broken) continue;
      try {
        await open.device.reopen();
      } catch (error) {
        this.#failed(open, error);
      }
    }
  }

  #applied(batch: AppliedBatch): void {
    if (!batch.everything && !batch.keys.some((key) => key.startsWith(AUDIT_RECORDS) || key === HEADERS_RECORD)) return;
    this.#turns
      .take(() => this.#reload())
      .catch((error: unknown) => this.#deps.log.error('following a change of the audit devices failed', { error }));
  }

  async #reload(): Promise<void> {
    const { backend, log } = this.#deps;
    this.#headers = (await backend.getParsed(HEADERS_RECORD, parseHeaders)) ?? {};
    const keys = await backend.keys({ from: AUDIT_RECORDS, to: `${AUDIT_RECORDS}\u{10ffff}` });
    const records = (await Promise.all(keys.map((key) => backend.getParsed(key, parseDevice)))).filter(
      (record) => record !== undefined,
    );
    const wanted = new Map(records.map((record) => [record.path, record.salt]));
    // A device disabled and enabled again between two looks has another salt.
    for (const [path, { record }] of [...this.#devices]) if (wanted.get(path) !== record.salt) await this.#close(path);
    for (const record of records) {
      if (this.#devices.has(record.path)) continue;
      try {
        await this.#open(record);
      } catch (error) {
        log.error('an audit device could not be opened; it is tried again', { path: record.path, error });
        this.#devices.set(record.path, this.#brokenDevice(record, error));
      }
    }
    this.#retryMs = FIRST_RETRY_MS;
    this.#retryLater();
  }

  /** While a device is broken: another try, after ever longer waits. */
  #retryLater(): void {
    this.#retry?.();
    this.#retry = undefined;
    if (![...this.#devices.values()].some(({ broken }) => broken)) return;
    this.#retry = this.#deps.clock.after(this.#retryMs, () => {
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
      this.#turns
        .take(() => this.#openBroken())
        .catch((error: unknown) => this.#deps.log.error('opening audit devices again failed', { error }));
    });
  }

  async #openBroken(): Promise<void> {
    const { log } = this.#deps;
    for (const { record, broken } of [...this.#devices.values()]) {
      if (!broken) continue;
      try {
        await this.#open(record);
        log.info('an audit device works again', { path: record.path });
      } catch (error) {
        log.warn('an audit device still cannot be opened; it is tried again', { path: record.path, error });
      }
    }
    this.#retryLater();
  }

  async #open(record: AuditDeviceRecord): Promise<void> {
    const type = this.#deps.plugins.auditDevice(record.type);
    if (!type) throw badRequest(`unknown backend type: "${record.type}"`);
    checkCommonOptions(record.options);
    const device = await type.open(record.options, { clock: this.#deps.clock, log: this.#deps.log.named(record.type) });
    this.#devices.set(record.path, this.#openDevice(record, device));
  }

  #openDevice(record: AuditDeviceRecord, device: AuditDevice): OpenDevice {
    const { options } = record;
    return {
      record,
      device,
      hasher: new Hasher(Buffer.from(record.salt, 'base64'), isTrue(options.log_raw)),
      hashAccessors: options.hmac_accessor === undefined || isTrue(options.hmac_accessor),
      elideLists: isTrue(options.elide_list_responses),
      prefix: options.prefix ?? '',
      broken: false,
      waiting: 0,
      failing: false,
    };
  }

  /** A device that is configured but cannot be opened still counts: without it, nothing may go unrecorded. */
  #brokenDevice(record: AuditDeviceRecord, cause: unknown): OpenDevice {
    const refuse = (): Promise<never> => Promise.reject(new Error('the device could not be opened', { cause }));
    return {
      ...this.#openDevice(record, { write: refuse, reopen: refuse, close: () => Promise.resolve() }),
      broken: true,
      failing: true,
    };
  }

  async #close(path: string): Promise<void> {
    const open = this.#devices.get(path);
    this.#devices.delete(path);
    await open?.device.close();
  }
}

/** @throws RequestError */
function checkCommonOptions(options: Readonly<Record<string, string>>): void {
  const { format, prefix, log_raw: raw, hmac_accessor: accessor, elide_list_responses: elide } = options;
  if (format !== undefined && format !== 'json')
    throw badRequest(`unknown format type "${format}": only json is supported`);
  for (const [name, value] of Object.entries({ log_raw: raw, hmac_accessor: accessor, elide_list_responses: elide })) {
    if (value !== undefined && !['true', 'false', '1', '0', 't', 'f'].includes(value))
      throw badRequest(`option "${name}" must be true or false`);
  }
  // What is written at the start of lines must not turn the file into something that is run, such as a table of cron, whose
  // lines have fields before a command (CVE-2025-6000). Collectors of logs need no more than one word, such as "@cee: ".
  if (prefix !== undefined && (prefix.length > 64 || !/^(@[\w.-]+:|[\w.:-]*) ?$/.test(prefix)))
    throw badRequest(
      'option "prefix" may be a word of letters, digits and . _ - :, or one such as "@cee:", and a space',
    );
}
