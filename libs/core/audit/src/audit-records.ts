/** A device as stored under `core/audit/<path>`. */
export interface AuditDeviceRecord {
  /** Ends with `/`. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly local: boolean;
  readonly options: Readonly<Record<string, string>>;
  /** Base64; the key of its HMACs. */
  readonly salt: string;
}

export const AUDIT_RECORDS = 'core/audit/';
export const HEADERS_RECORD = 'core/audit-headers';

/** Header names in lower case, and whether their values are hashed. */
export type AuditedHeaders = Readonly<Record<string, { readonly hmac: boolean }>>;

const decoder = new TextDecoder('utf-8', { fatal: true });

export const parseDevice = (bytes: Uint8Array): AuditDeviceRecord =>
  Object.freeze(JSON.parse(decoder.decode(bytes)) as AuditDeviceRecord);
export const parseHeaders = (bytes: Uint8Array): AuditedHeaders =>
  Object.freeze(JSON.parse(decoder.decode(bytes)) as AuditedHeaders);
