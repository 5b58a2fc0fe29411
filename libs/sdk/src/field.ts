/** How a value is coerced, as Vault's field types do it (see `coerce.ts`). */
export type FieldKind =
  | 'string'
  | 'lower-case-string'
  | 'name'
  | 'int'
  | 'float'
  | 'bool'
  /** "1h", 3600 and "3600" are 3600 (seconds). */
  | 'duration'
  /** As `duration`, but may be negative. */
  | 'signed-duration'
  /** A list of texts; "a,b" is split. */
  | 'comma-strings'
  | 'comma-ints'
  | 'strings'
  | 'slice'
  | 'map'
  /** A map of texts, also from ["k=v", …] or "k=v". */
  | 'key-values'
  | 'time'
  | 'header'
  | 'any';

export interface FieldOptions<D> {
  readonly default?: D;
  /** Shown in help and OpenAPI; not enforced (as in Vault): the handler says what is missing. */
  readonly required?: boolean;
  readonly deprecated?: boolean;
  /**
   * Never shown: masked in forms, HMACed in the audit log whatever the mount is tuned to. `false`: its name sounds like a
   * secret's, but it is none.
   */
  readonly secret?: boolean;
  /** Shown in help and OpenAPI; not enforced (as in Vault): the handler refuses what it cannot use. */
  readonly allowedValues?: readonly unknown[];
  /** Other names under which clients send it. */
  readonly aliases?: readonly string[];
  /**
   * A part of the path that is a word: letters, digits, `_`, `-` and `.`, beginning and ending with none of the latter two. A
   * request with another text there is of no path.
   */
  readonly word?: boolean;
  /** A form's label, group and hint for the UI. */
  readonly display?: {
    readonly name?: string;
    readonly group?: string;
    readonly editType?: string;
    readonly value?: unknown;
  };
}

/** One field of a path. `T` is what the handler gets: undefined where it was not sent and has no default. */
export interface Field<T> extends FieldOptions<unknown> {
  readonly kind: FieldKind;
  readonly description: string;
  /** For the compiler only. */
  readonly type?: T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** What handlers get. */
export type FieldValues<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

type Make<V> = {
  <const O extends FieldOptions<V> & { readonly default: V }>(description: string, options: O): Field<V>;
  (description: string, options?: FieldOptions<V>): Field<V | undefined>;
};

function make<V>(kind: FieldKind): Make<V> {
  return ((description: string, options: FieldOptions<V> = {}) =>
    Object.freeze({ ...options, kind, description })) as Make<V>;
}

/** Declares fields: `field.duration('How long …', { default: 0 })`. */
export const field = {
  /** A part of the path; always there. */
  name: (description: string, options: FieldOptions<string> = {}): Field<string> =>
    Object.freeze({ ...options, kind: 'name', description }),
  string: make<string>('string'),
  lowerCaseString: make<string>('lower-case-string'),
  int: make<number>('int'),
  float: make<number>('float'),
  bool: make<boolean>('bool'),
  duration: make<number>('duration'),
  signedDuration: make<number>('signed-duration'),
  commaStrings: make<readonly string[]>('comma-strings'),
  commaInts: make<readonly number[]>('comma-ints'),
  strings: make<readonly string[]>('strings'),
  slice: make<readonly unknown[]>('slice'),
  map: make<Readonly<Record<string, unknown>>>('map'),
  keyValues: make<Readonly<Record<string, string>>>('key-values'),
  /** Milliseconds since 1970, from RFC 3339 or seconds. */
  time: make<number>('time'),
  any: make<unknown>('any'),
} as const;
