/** Where something stands in a file; both count from 1, columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export type HclValue =
  | { readonly kind: 'string'; readonly value: string; readonly at: Position }
  | { readonly kind: 'number'; readonly value: number; readonly text: string; readonly at: Position }
  | { readonly kind: 'bool'; readonly value: boolean; readonly at: Position }
  | { readonly kind: 'null'; readonly at: Position }
  | { readonly kind: 'list'; readonly items: readonly HclValue[]; readonly at: Position }
  | HclObject;

/** A file, the body of a block, or `{ … }`. */
export interface HclObject {
  readonly kind: 'object';
  readonly items: readonly HclItem[];
  readonly at: Position;
}

/** `key = value`, or a block `key "label" { … }`. The same key may come several times. */
export interface HclItem {
  readonly key: string;
  readonly labels: readonly string[];
  readonly value: HclValue;
  readonly block: boolean;
  readonly at: Position;
}

/** A mistake in a file: says where, and what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly file: string;
  readonly position: Position | undefined;

  constructor(file: string, position: Position | undefined, text: string) {
    super(position ? `${file}:${String(position.line)}:${String(position.column)}: ${text}` : `${file}: ${text}`);
    this.file = file;
    this.position = position;
  }
}

/** Bounds on what is parsed, checked before descending, so that hostile input costs little. */
export const HCL_LIMITS = { charsMax: 4 * 1024 * 1024, depthMax: 64, itemsMax: 200_000 } as const;

/** The JSON that a value stands for. Of a key that comes twice the last one counts; labels are dropped. */
export function plainValue(value: HclValue): unknown {
  switch (value.kind) {
    case 'string':
    case 'number':
    case 'bool':
      return value.value;
    case 'null':
      return null;
    case 'list':
      return value.items.map(plainValue);
    case 'object':
      return Object.fromEntries(value.items.map((item) => [item.key, plainValue(item.value)]));
  }
}
