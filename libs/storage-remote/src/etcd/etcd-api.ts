/*
 * What is used of etcd's API, version 3, as its JSON gateway speaks it: bytes in base64, 64-bit numbers as texts, what is
 * zero or false left out.
 */

/** A range of keys: one key, or from `key` (inclusive) to `range_end` (exclusive). */
export interface RangeRequest {
  readonly key: string;
  readonly range_end?: string;
  readonly limit?: string;
  readonly revision?: string;
  readonly keys_only?: boolean;
}

export interface KeyValue {
  readonly key: string;
  readonly value?: string;
}

export interface RangeResponse {
  readonly kvs?: readonly KeyValue[];
  readonly more?: boolean;
}

/** A comparison of a key's value, or with `CREATE` and '0' that there is none. */
export interface Compare {
  readonly key: string;
  readonly target: 'VALUE' | 'CREATE';
  readonly result: 'EQUAL';
  readonly value?: string;
  readonly create_revision?: string;
}

export type RequestOp =
  | { readonly request_range: RangeRequest }
  | { readonly request_put: { readonly key: string; readonly value: string } }
  | { readonly request_delete_range: { readonly key: string; readonly range_end?: string } };

export interface TxnRequest {
  readonly compare?: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure?: readonly RequestOp[];
}

export interface TxnResponse {
  readonly header: { readonly revision: string };
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RangeResponse }[];
}

export const base64 = (value: string | Uint8Array): string =>
  (typeof value === 'string'
    ? Buffer.from(value)
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  ).toString('base64');

export const bytesOf = (value: string | undefined): Buffer => Buffer.from(value ?? '', 'base64');

export const put = (key: string, value: string | Uint8Array): RequestOp => ({
  request_put: { key: base64(key), value: base64(value) },
});

export const remove = (key: string): RequestOp => ({ request_delete_range: { key: base64(key) } });

/** Everything whose key begins with a prefix that ends with `/`. */
export const folderRange = (prefix: string): { readonly key: string; readonly range_end: string } => ({
  key: base64(prefix),
  range_end: base64(`${prefix.slice(0, -1)}0`),
});

export const equals = (key: string, value: string): Compare => ({
  key: base64(key),
  target: 'VALUE',
  result: 'EQUAL',
  value: base64(value),
});

export const absent = (key: string): Compare => ({
  key: base64(key),
  target: 'CREATE',
  result: 'EQUAL',
  create_revision: '0',
});
