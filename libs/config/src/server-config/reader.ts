import { parseDurationSeconds } from '@coffer/kernel';
import { ConfigError } from '../hcl/ast.ts';
import type { HclItem, HclObject, HclValue, Position } from '../hcl/ast.ts';

/** Something in a file that is known but does nothing yet, or is not known at all; told in the log at the start. */
export interface ConfigNote {
  readonly key: string;
  readonly file: string;
  readonly position: Position;
  readonly kind: 'unknown' | 'not-in-effect';
}

/**
 * Reads the members of one block by name and type, as leniently as Vault: numbers and booleans may be texts. What nobody
 * asked for is reported by `rest`.
 */
export class BlockReader {
  readonly #file: string;
  readonly #items: readonly HclItem[];
  readonly #asked = new Set<string>();
  readonly at: Position;

  constructor(file: string, block: HclObject) {
    this.#file = file;
    this.#items = block.items;
    this.at = block.at;
  }

  error(at: Position, text: string): ConfigError {
    return new ConfigError(this.#file, at, text);
  }

  /** The last item of a name; Vault lets a later one win. */
  #last(name: string): HclItem | undefined {
    this.#asked.add(name);
    return this.#items.findLast((item) => item.key === name);
  }

  has(name: string): boolean {
    return this.#last(name) !== undefined;
  }

  text(name: string): string | undefined {
    const item = this.#last(name);
    if (!item) return undefined;
    const { value } = item;
    if (value.kind === 'string') return value.value;
    if (value.kind === 'number') return value.text;
    if (value.kind === 'bool') return String(value.value);
    throw this.error(value.at, `${name}: expected a string`);
  }

  bool(name: string): boolean | undefined {
    const item = this.#last(name);
    if (!item) return undefined;
    const { value } = item;
    if (value.kind === 'bool') return value.value;
    if (value.kind === 'number' && (value.value === 0 || value.value === 1)) return value.value === 1;
    if (value.kind === 'string' && /^(1|t|true|0|f|false)$/i.test(value.value))
      return /^(1|t|true)$/i.test(value.value);
    throw this.error(value.at, `${name}: expected true or false`);
  }

  /** @param range what is accepted, inclusive */
  int(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const item = this.#last(name);
    if (!item) return undefined;
    const { value } = item;
    const number =
      value.kind === 'number'
        ? value.value
        : value.kind === 'string' && /^-?\d+$/.test(value.value)
          ? Number(value.value)
          : Number.NaN;
    if (!Number.isSafeInteger(number) || number < range.min || number > range.max) {
      throw this.error(value.at, `${name}: expected a whole number from ${String(range.min)} to ${String(range.max)}`);
    }
    return number;
  }

  /** Seconds. */
  duration(name: string): number | undefined {
    const item = this.#last(name);
    if (!item) return undefined;
    const { value } = item;
    const seconds =
      value.kind === 'number' ? value.value : value.kind === 'string' ? parseDurationSeconds(value.value) : undefined;
    if (seconds === undefined || seconds < 0)
      throw this.error(value.at, `${name}: expected a duration such as "30s" or "768h"`);
    return seconds;
  }

  /** A list of texts; one text, split at commas, is one, too. */
  texts(name: string): readonly string[] | undefined {
    const item = this.#last(name);
    if (!item) return undefined;
    const { value } = item;
    if (value.kind === 'string')
      return value.value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    if (value.kind !== 'list') throw this.error(value.at, `${name}: expected a list of strings`);
    return value.items.map((entry) => {
      if (entry.kind !== 'string') throw this.error(entry.at, `${name}: expected strings`);
      return entry.value;
    });
  }

  /** One of some words. */
  word<W extends string>(name: string, words: readonly W[]): W | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = words.find((word) => word === text.toLowerCase());
    if (!found) throw this.error(this.#last(name)?.value.at ?? this.at, `${name}: expected one of ${words.join(', ')}`);
    return found;
  }

  position(name: string): Position {
    return this.#last(name)?.value.at ?? this.at;
  }

  /** All blocks of a name, `name "type" { … }` and its form in JSON, with their types (''where there is none). */
  blocks(name: string): readonly { readonly type: string; readonly body: HclObject; readonly at: Position }[] {
    this.#asked.add(name);
    return this.#items.filter((item) => item.key === name).flatMap((item) => this.#blocksOf(item));
  }

  #blocksOf(item: HclItem): { readonly type: string; readonly body: HclObject; readonly at: Position }[] {
    const bodies = bodiesOf(item.value);
    if (bodies.length === 0) throw this.error(item.at, `${item.key}: expected a block: ${item.key} "…" { … }`);
    const [label] = item.labels;
    if (label !== undefined) return bodies.map((body) => ({ type: label, body, at: item.at }));
    // Without a label: JSON's { "type": { … } }, or a block that has no type.
    return bodies.flatMap((body) => {
      const typed =
        body.items.length > 0 && body.items.every((inner) => bodiesOf(inner.value).length > 0 && !inner.block);
      if (!typed) return [{ type: '', body, at: item.at }];
      return body.items.flatMap((inner) =>
        bodiesOf(inner.value).map((innerBody) => ({ type: inner.key, body: innerBody, at: inner.at })),
      );
    });
  }

  /** Says that members are known, but do nothing yet. */
  notInEffect(...names: readonly string[]): ConfigNote[] {
    return this.#notes('not-in-effect', (item) => names.includes(item.key));
  }

  /** Members that nobody asked for. */
  rest(): ConfigNote[] {
    return this.#notes('unknown', (item) => !this.#asked.has(item.key));
  }

  #notes(kind: ConfigNote['kind'], matches: (item: HclItem) => boolean): ConfigNote[] {
    const found = this.#items.filter(matches);
    for (const item of found) this.#asked.add(item.key);
    return found.map((item) => ({ key: item.key, file: this.#file, position: item.at, kind }));
  }
}

function bodiesOf(value: HclValue): readonly HclObject[] {
  if (value.kind === 'object') return [value];
  if (value.kind === 'list') return value.items.filter((item) => item.kind === 'object');
  return [];
}
