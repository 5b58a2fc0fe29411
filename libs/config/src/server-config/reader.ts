import { assertNever, parseDurationSeconds } from '@coffer/kernel';
import { ConfigError } from '../hcl/ast.ts';
import type { HclItem, HclObject, HclValue, Position } from '../hcl/ast.ts';
import type { MemberKind } from './known-members.ts';

/** Something in a file that is known but does nothing yet, or is not known at all; told in the log at the start. */
export interface ConfigNote {
  readonly key: string;
  readonly file: string;
  readonly position: Position;
  readonly kind: 'unknown' | 'not-in-effect';
}

/** A block, `name "type" { … }`. */
export interface Block {
  /** '' of a block without a type. */
  readonly type: string;
  readonly body: HclObject;
  readonly at: Position;
}

/**
 * Reads the members of one block by name and type, as leniently as Vault: numbers and booleans may be texts. What nobody
 * asked for is reported by `rest`. All its methods throw ConfigError.
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

  /** The value of a name. One that is set twice is refused, as Vault does: nobody can see which one counts. */
  #value(name: string): HclValue | undefined {
    this.#asked.add(name);
    const [first, second] = this.#items.filter((item) => item.key === name);
    if (second) {
      const line = String(first?.at.line ?? 0);
      throw this.error(second.at, `${name}: expected it once, but it is set in line ${line} already`);
    }
    // JSON's null is as good as nothing.
    return first?.value.kind === 'null' ? undefined : first?.value;
  }

  has(name: string): boolean {
    this.#asked.add(name);
    return this.#items.some((item) => item.key === name);
  }

  text(name: string): string | undefined {
    const value = this.#value(name);
    if (!value) return undefined;
    if (value.kind === 'string') return value.value;
    if (value.kind === 'number') return value.text;
    if (value.kind === 'bool') return String(value.value);
    throw this.error(value.at, `${name}: expected a string`);
  }

  bool(name: string): boolean | undefined {
    const value = this.#value(name);
    if (!value) return undefined;
    if (value.kind === 'bool') return value.value;
    if (value.kind === 'number' && (value.value === 0 || value.value === 1)) return value.value === 1;
    if (value.kind === 'string' && /^(1|t|true|0|f|false)$/i.test(value.value))
      return /^(1|t|true)$/i.test(value.value);
    throw this.error(value.at, `${name}: expected true or false`);
  }

  /** @param range what is accepted, inclusive */
  int(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.#value(name);
    if (!value) return undefined;
    const number =
      value.kind === 'number'
        ? value.value
        : value.kind === 'string' && /^-?\d{1,16}$/.test(value.value)
          ? Number(value.value)
          : Number.NaN;
    if (!Number.isSafeInteger(number) || number < range.min || number > range.max) {
      const bound =
        range.max === Number.MAX_SAFE_INTEGER
          ? `${String(range.min)} up`
          : `${String(range.min)} to ${String(range.max)}`;
      throw this.error(value.at, `${name}: expected a whole number from ${bound}`);
    }
    return number;
  }

  /** Seconds. */
  duration(name: string): number | undefined {
    const value = this.#value(name);
    if (!value) return undefined;
    const seconds =
      value.kind === 'number'
        ? Math.trunc(value.value)
        : value.kind === 'string'
          ? parseDurationSeconds(value.value)
          : undefined;
    if (seconds === undefined || !Number.isSafeInteger(seconds) || seconds < 0)
      throw this.error(value.at, `${name}: expected a duration such as "30s" or "768h"`);
    return seconds;
  }

  /** A list of texts; one text, split at commas, is one, too. */
  texts(name: string): readonly string[] | undefined {
    const value = this.#value(name);
    if (!value) return undefined;
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

  /** One of some words, in any case. */
  word<W extends string>(name: string, words: readonly W[]): W | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = words.find((word) => word === text.toLowerCase());
    if (!found) throw this.error(this.position(name), `${name}: expected one of ${words.join(', ')}`);
    return found;
  }

  /** Where the value of a name stands; of one that is not there, where the block begins. */
  position(name: string): Position {
    return this.#items.find((item) => item.key === name)?.value.at ?? this.at;
  }

  /** All blocks `name { … }`, also written `name = { … }` or as a list of maps. */
  blocks(name: string): readonly Block[] {
    return this.#itemsOf(name).flatMap((item) =>
      this.#bodiesOf(item).map((body) => ({ type: item.labels[0] ?? '', body, at: item.at })),
    );
  }

  /** All blocks `name "type" { … }`, also in JSON's form: `"name": { "type": { … } }`. */
  typedBlocks(name: string): readonly Block[] {
    return this.#itemsOf(name).flatMap((item) => {
      const [type] = item.labels;
      if (type !== undefined) return this.#bodiesOf(item).map((body) => ({ type, body, at: item.at }));
      return this.#bodiesOf(item).flatMap((outer) => {
        if (outer.items.length === 0) throw this.error(item.at, `${name}: expected a type: ${name} "…" { … }`);
        return outer.items.flatMap((inner) =>
          this.#bodiesOf(inner, name).map((body) => ({ type: inner.key, body, at: inner.at })),
        );
      });
    });
  }

  #itemsOf(name: string): readonly HclItem[] {
    this.#asked.add(name);
    return this.#items.filter((item) => item.key === name && item.value.kind !== 'null');
  }

  #bodiesOf({ key, value, at }: HclItem, outer?: string): readonly HclObject[] {
    if (value.kind === 'object') return [value];
    const bodies = value.kind === 'list' ? value.items.filter((item) => item.kind === 'object') : [];
    if (value.kind === 'list' && bodies.length === value.items.length) return bodies;
    const shown = outer === undefined ? `${key} { … }` : `${outer} "${key}" { … }`;
    throw this.error(at, `${outer ?? key}: expected a block: ${shown}`);
  }

  /** Checks members that are known, but do nothing yet, and says where they are. */
  notInEffect(members: Readonly<Record<string, MemberKind>>): ConfigNote[] {
    const found = this.#items.filter((item) => Object.hasOwn(members, item.key));
    for (const key of new Set(found.map((item) => item.key))) this.#check(key, members[key] ?? 'any');
    return this.#notes('not-in-effect', found);
  }

  #check(name: string, kind: MemberKind): void {
    switch (kind) {
      case 'text':
        this.text(name);
        return;
      case 'bool':
        this.bool(name);
        return;
      case 'int':
        this.int(name, { min: -1, max: Number.MAX_SAFE_INTEGER });
        return;
      case 'duration':
        this.duration(name);
        return;
      case 'texts':
        this.texts(name);
        return;
      case 'block':
        this.blocks(name);
        return;
      case 'any':
        this.#asked.add(name);
        return;
      default:
        assertNever(kind, 'kind of a member');
    }
  }

  /** Members that nobody asked for. */
  rest(): ConfigNote[] {
    return this.#notes(
      'unknown',
      this.#items.filter((item) => !this.#asked.has(item.key)),
    );
  }

  #notes(kind: ConfigNote['kind'], items: readonly HclItem[]): ConfigNote[] {
    for (const item of items) this.#asked.add(item.key);
    return items.map((item) => ({ key: item.key, file: this.#file, position: item.at, kind }));
  }
}
