import { encodeJson, parseFrozen } from '@coffer/core-api';
import type { TokenEntry } from '@coffer/core-api';

/*
 * Where tokens are kept. All names are salted: who reads the physical store's keys learns neither tokens nor accessors.
 */

export const TOKEN_KEYS = 'sys/token/id/';
export const ACCESSOR_KEYS = 'sys/token/accessor/';
export const PARENT_KEYS = 'sys/token/parent/';
/** Revocations under way, by salted id; what is left after a crash is taken up again. */
export const REVOKING_KEYS = 'sys/token/revoking/';

export const tokenKey = (saltedId: string): string => TOKEN_KEYS + saltedId;
export const accessorKey = (saltedAccessor: string): string => ACCESSOR_KEYS + saltedAccessor;
export const childKey = (parent: string, child: string): string => `${PARENT_KEYS}${parent}/${child}`;
export const revokingKey = (saltedId: string): string => REVOKING_KEYS + saltedId;

/** What an accessor leads to. */
export interface AccessorRecord {
  readonly accessor: string;
  readonly saltedId: string;
}

/** What becomes of the children of a token that is revoked. */
export interface RevocationRecord {
  readonly children: 'revoked' | 'orphaned';
}

export const EMPTY = new Uint8Array(0);

export function encode(record: TokenEntry | AccessorRecord | RevocationRecord): Uint8Array {
  return encodeJson(record);
}

export const parseToken = (bytes: Uint8Array): TokenEntry => parseFrozen(bytes) as TokenEntry;
export const parseAccessor = (bytes: Uint8Array): AccessorRecord => parseFrozen(bytes) as AccessorRecord;
export const parseRevocation = (bytes: Uint8Array): RevocationRecord => parseFrozen(bytes) as RevocationRecord;
