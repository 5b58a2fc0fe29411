import { badRequest } from '@coffer/sdk';
import type { MaybePromise } from '@coffer/kernel';
import type { Transaction } from '@coffer/storage';
import { whenReady } from '@coffer/kernel';
import { aliasKey, aliasNameKey, encodeEntity, encodeId, entityKey, nameKey, parseEntity, parseId } from './records.ts';
import type { StoredAlias, StoredEntity } from './records.ts';

/** What both a transaction and the store can answer. */
export interface ParsedReader {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined>;
}

export function entityById(reader: ParsedReader, id: string): MaybePromise<StoredEntity | undefined> {
  return reader.getParsed(entityKey(id), parseEntity);
}

function byIndex(reader: ParsedReader, key: string): MaybePromise<StoredEntity | undefined> {
  return whenReady(reader.getParsed(key, parseId), (id) => (id === undefined ? undefined : entityById(reader, id)));
}

export function entityByName(
  reader: ParsedReader,
  namespaceId: string,
  name: string,
): MaybePromise<StoredEntity | undefined> {
  return byIndex(reader, nameKey(namespaceId, name));
}

export function entityByAlias(
  reader: ParsedReader,
  mountAccessor: string,
  name: string,
): MaybePromise<StoredEntity | undefined> {
  return byIndex(reader, aliasNameKey(mountAccessor, name));
}

export function entityByAliasId(reader: ParsedReader, aliasId: string): MaybePromise<StoredEntity | undefined> {
  return byIndex(reader, aliasKey(aliasId));
}

/** Whether two names count as one. */
export function sameName(a: string, b: string): boolean {
  return nameKey('', a) === nameKey('', b);
}

/**
 * Writes an entity with its indexes, and removes what of `before` is no longer true.
 *
 * @throws RequestError `bad-request` where another entity has the name
 */
export async function putEntity(tx: Transaction, entity: StoredEntity, before?: StoredEntity): Promise<void> {
  const key = nameKey(entity.namespaceId, entity.name);
  const holder = await tx.getParsed(key, parseId);
  if (holder !== undefined && holder !== entity.id) throw badRequest('entity name is already in use');
  if (before && nameKey(before.namespaceId, before.name) !== key) tx.delete(nameKey(before.namespaceId, before.name));
  if (before) for (const alias of before.aliases) dropAliasIndex(tx, alias);
  for (const alias of entity.aliases) {
    tx.put(aliasKey(alias.id), encodeId(entity.id));
    tx.put(aliasNameKey(alias.mountAccessor, alias.name), encodeId(entity.id));
  }
  tx.put(key, encodeId(entity.id));
  tx.put(entityKey(entity.id), encodeEntity({ ...entity, version: (before?.version ?? 0) + 1 }));
}

export function deleteEntity(tx: Transaction, entity: StoredEntity): void {
  for (const alias of entity.aliases) dropAliasIndex(tx, alias);
  tx.delete(nameKey(entity.namespaceId, entity.name));
  tx.delete(entityKey(entity.id));
}

function dropAliasIndex(tx: Transaction, alias: StoredAlias): void {
  tx.delete(aliasKey(alias.id));
  tx.delete(aliasNameKey(alias.mountAccessor, alias.name));
}
