import type { ApiResponse } from '@coffer/api-client';
import { UsageError } from '../flags.ts';
import { goValue } from './go-value.ts';
import { enveloped, secretJson, secretRows } from './secret.ts';
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

  /** Any value in JSON or YAML. @returns whether that was asked for */
  value(value: unknown): boolean {
    if (this.format === 'json') this.line(JSON.stringify(value, null, 2));
    else if (this.format === 'yaml') this.line(this.#inYaml(value));
    else if (this.format === 'pretty')
      throw new UsageError('Could not parse output: cannot use the pretty formatter for this type');
    else if (this.format === 'raw') throw new UsageError('This command does not support the -format=raw option.');
    else return false;
    return true;
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
    const value = fieldValue(enveloped(answer), field);
    if (value === undefined) {
      this.error(`Field "${field}" not present in secret`);
      return 1;
    }
    return this.plainField(value);
  }

  plainField(value: unknown): number {
    if (this.format === 'json') this.text(JSON.stringify(value, null, 2));
    else if (this.format === 'yaml') this.text(this.#inYaml(value));
    else this.text(goValue(value));
    return 0;
  }

  /** Names below a path. @returns the exit code */
  keys(response: ApiResponse, path: string): number {
    const keys = response.data?.keys;
    if (this.field !== undefined) return this.fieldOf(response, this.field);
    if (!Array.isArray(keys)) {
      this.error(`No entries found at ${path}`);
      return 2;
    }
    if (this.value(keys)) return 0;
    this.warnings(response);
    this.line(
      titledTable(
        ['Keys'],
        keys.map((key) => [String(key)]),
      ),
    );
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

function fieldValue(response: ApiResponse, field: string): unknown {
  const { auth, wrap_info: wrap, data } = response;
  if (wrap) {
    const wrapFields: Readonly<Record<string, unknown>> = {
      wrapping_token: wrap.token,
      wrapping_accessor: wrap.accessor,
      wrapping_token_ttl: wrap.ttl,
      wrapping_token_creation_time: wrap.creation_time,
      wrapping_token_creation_path: wrap.creation_path,
      wrapped_accessor: wrap.wrapped_accessor,
    };
    if (Object.hasOwn(wrapFields, field)) return wrapFields[field];
  }
  if (auth) {
    const authFields: Readonly<Record<string, unknown>> = {
      token: auth.client_token,
      token_accessor: auth.accessor,
      token_duration: auth.lease_duration,
      token_renewable: auth.renewable,
      token_policies: auth.token_policies,
      identity_policies: auth.identity_policies ?? [],
      policies: auth.policies,
    };
    if (Object.hasOwn(authFields, field)) return authFields[field];
  }
  if (field === 'refresh_interval' && response.lease_duration) return response.lease_duration;
  const inner =
    data &&
    Object.hasOwn(data, 'data') &&
    typeof data.data === 'object' &&
    data.data !== null &&
    Object.hasOwn(data, 'metadata')
      ? (data.data as Readonly<Record<string, unknown>>)
      : undefined;
  if (data && Object.hasOwn(data, field)) return data[field];
  return inner && Object.hasOwn(inner, field) ? inner[field] : undefined;
}
