import { encodeJson, parseFrozen } from '@coffer/core-api';

/** An alias: the name by which a mount knows an entity. Kept within its entity. */
export interface StoredAlias {
  readonly id: string;
  readonly mountAccessor: string;
  readonly mountType: string;
  readonly mountPath: string;
  readonly name: string;
  /** Of the login. */
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly customMetadata: Readonly<Record<string, string>> | null;
  readonly local: boolean;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface StoredEntity {
  readonly id: string;
  readonly namespaceId: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly policies: readonly string[];
  readonly disabled: boolean;
  readonly aliases: readonly StoredAlias[];
  readonly createdMs: number;
  readonly updatedMs: number;
  /** Grows with each change; part of cache keys. */
  readonly version: number;
}

export const ENTITIES = 'sys/identity/entity/';
export const NAMES = 'sys/identity/name/';
export const ALIASES = 'sys/identity/alias/';
const ALIAS_NAMES = 'sys/identity/alias-name/';

/** A name as one segment of a key. Names that differ only by case or by how letters are composed are the same. */
function segment(name: string): string {
  return Buffer.from(name.normalize('NFC').toLowerCase().normalize('NFC')).toString('base64url');
}

export const entityKey = (id: string): string => ENTITIES + id;
export const nameKey = (namespaceId: string, name: string): string => `${NAMES}${namespaceId}/${segment(name)}`;
export const aliasKey = (id: string): string => ALIASES + id;
export const aliasNameKey = (mountAccessor: string, name: string): string =>
  `${ALIAS_NAMES}${mountAccessor}/${segment(name)}`;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeEntity = (entity: StoredEntity): Uint8Array => encodeJson(entity);
export const parseEntity = (bytes: Uint8Array): StoredEntity => parseFrozen(bytes) as StoredEntity;
/** Indexes hold the id of the entity. */
export const encodeId = (id: string): Uint8Array => encoder.encode(id);
export const parseId = (bytes: Uint8Array): string => decoder.decode(bytes);
