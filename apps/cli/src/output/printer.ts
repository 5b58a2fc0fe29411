import type { ApiResponse } from '@coffer/api-client';
import { UsageError } from '../flags.ts';
import { goValue } from './go-value.ts';
import { cell, enveloped, secretJson, secretRows } from './secret.ts';
import { titledTable } from './table.ts';

export type Format = 'table' | 'json' | 'yaml' | 'pretty' | 'raw';

/** Where text goes. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Prints results in the format that was asked for. */
export class Printer {
  readonly format: Format;
  readonly field: string | undefined;
  readonly #streams: Streams;
  readonly #yaml: ((value: unknown) => string) | undefined;

  /** @param yaml writes YAML; it is loaded only where it is asked for, since its library is most of the program */
  constructor(
    format: Format,
    field: string | undefined,
    streams: Streams,
    yaml: ((value: unknown) => string) | undefined,
  ) {
    this.format = format;
    this.field = field;
    this.#streams = streams;
    this.#yaml = yaml;
  }

  /** A line for people. */
  line(text: string): void {
    this.#streams.out(`${text}\n`);
  }

  /** Without a line end. */
  text(text: string): void {
    this.#streams.out(text);
  }

  error(text: string): void {
    this.#streams.err(`${text}\n`);
  }

  /** Any value in JSON or YAML. @returns whether that was asked for @throws UsageError for other formats */
  value(value: unknown): boolean {
    switch (this.format) {
      case 'json':
        this.line(JSON.stringify(value, null, 2));
        return true;
      case 'yaml':
        this.line(this.#inYaml(value));
        return true;
      case 'pretty':
        throw new UsageError('Could not parse output: cannot use the pretty formatter for this type');
      case 'raw':
        throw new UsageError('This command does not support the -format=raw option.');
      case 'table':
        return false;
    }
  }

  #inYaml(value: unknown): string {
    if (!this.#yaml) throw new Error('a printer of YAML without a writer of YAML');
    return this.#yaml(value);
  }

  /** An answer, or one field of it. @returns the exit code */
  secret(answer: ApiResponse): number {
    const response = enveloped(answer);
    if (this.field !== undefined) return this.fieldOf(response, this.field);
    if (this.format === 'json' || this.format === 'yaml') {
      this.value(secretJson(response));
      return 0;
    }
    if (this.format === 'pretty' || this.format === 'raw') {
      this.value(response);
      return 0;
    }
    this.warnings(response);
    const rows = secretRows(response);
    if (rows.length > 0) this.line(titledTable(['Key', 'Value'], rows));
    return 0;
  }

  /** Warnings beside an answer, on standard error. */
  warnings(response: ApiResponse): void {
    const { warnings } = response;
    if (!warnings || warnings.length === 0) return;
    const items = warnings.map((warning) => `  * ${wrap(warning)}`).join('\n\n');
    this.error(`WARNING! The following warnings were returned from Vault:\n\n${items}\n`);
  }

  /** One field, without a line end. @returns the exit code */
  fieldOf(answer: ApiResponse, field: string): number {
    const response = enveloped(answer);
    const value = fieldValue(response, field);
    if (value !== undefined && value !== null && this.format === 'table') this.warnings(response);
    return this.plainField(field, value);
  }

  /** @returns the exit code: 1 where there is no such value */
  plainField(field: string, value: unknown): number {
    if (value === undefined || value === null) {
      this.error(`Field "${field}" not present in secret`);
      return 1;
    }
    if (this.format === 'json') this.text(JSON.stringify(value, null, 2));
    else if (this.format === 'yaml') this.text(`${this.#inYaml(value)}\n`);
    else if (this.format !== 'pretty') this.text(goValue(value));
    return 0;
  }

  /** Names below a path, in their order. @returns the exit code */
  keys(response: ApiResponse): number {
    const keys = (response.data?.keys ?? []) as readonly unknown[];
    if (this.value(keys)) return 0;
    this.warnings(response);
    if (keys.length === 0) return 0;
    this.line(
      titledTable(
        ['Keys'],
        keys
          .map(String)
          .sort()
          .map((key) => [key]),
      ),
    );
    return 0;
  }

  /** As `keys`, with what the server tells of each (`key_info`); in JSON, the whole answer. @returns the exit code */
  detailedKeys(response: ApiResponse): number {
    const info = response.data?.key_info as Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
    if (this.format === 'json') return this.secret(response);
    if (this.format !== 'table' || !info || Object.keys(info).length === 0) return this.keys(response);
    this.warnings(response);
    const keys = ((response.data?.keys ?? []) as readonly unknown[]).map(String).sort();
    const headers = [...new Set(keys.flatMap((key) => Object.keys(info[key] ?? {})))].sort();
    const rows = keys.map((key) => [
      key,
      ...headers.map((header) => {
        const value = info[key]?.[header];
        return value === undefined ? '' : cell(header, value);
      }),
    ]);
    if (rows.length > 0) this.line(titledTable(['Keys', ...headers], rows));
    return 0;
  }
}

/** Long warnings on lines of their own. */
function wrap(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 72) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n  ');
}

/** What Vault's clients find under a name: an answer that logs in or is wrapped has other names than data. */
function fieldValue(response: ApiResponse, field: string): unknown {
  const { auth, wrap_info: wrap } = response;
  const data = response.data ?? {};
  const envelope: Readonly<Record<string, unknown>> = auth
    ? {
        token: auth.client_token,
        token_accessor: auth.accessor,
        token_duration: auth.lease_duration,
        token_renewable: auth.renewable,
        token_policies: auth.token_policies ?? [],
        identity_policies: auth.identity_policies ?? [],
        policies: auth.policies ?? [],
      }
    : wrap
      ? {
          wrapping_token: wrap.token,
          wrapping_accessor: wrap.accessor,
          wrapping_token_ttl: wrap.ttl,
          wrapping_token_creation_time: wrap.creation_time,
          wrapping_token_creation_path: wrap.creation_path,
          wrapped_accessor: wrap.wrapped_accessor ?? '',
        }
      : {
          lease_duration: response.lease_duration ?? 0,
          lease_id: response.lease_id ?? '',
          request_id: response.request_id ?? '',
          renewable: response.renewable ?? false,
          refresh_interval: response.lease_duration ?? 0,
          data: Object.hasOwn(data, 'data') ? data.data : data,
        };
  if (Object.hasOwn(envelope, field)) return envelope[field];
  return Object.hasOwn(data, field) ? data[field] : undefined;
}
