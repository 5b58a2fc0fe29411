import type { Transaction } from '@coffer/storage';
import { entityById } from './entities.ts';
import { ENTITIES } from './records.ts';
import type { StoredEntity } from './records.ts';

/** All entities of a namespace, sorted by id. */
export async function allEntities(tx: Transaction, namespaceId: string): Promise<readonly StoredEntity[]> {
  const found: StoredEntity[] = [];
  for (const id of await tx.list(ENTITIES)) {
    const entity = await entityById(tx, id);
    if (entity?.namespaceId === namespaceId) found.push(entity);
  }
  return found;
}
