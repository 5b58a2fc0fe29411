import { field } from '@coffer/sdk';
import type { Page } from '@coffer/sdk';

/** Fields of every listing. */
export const pageFields = {
  after: field.string('Only names after this one.'),
  limit: field.int('At most so many names.'),
};

export function pageOf({
  after,
  limit,
}: {
  readonly after: string | undefined;
  readonly limit: number | undefined;
}): Page {
  return { ...(after ? { after } : {}), ...(limit !== undefined && limit > 0 ? { limit } : {}) };
}

/** A folder's prefix: '' or ending with `/`. */
export const folderOf = (path: string): string => (path === '' || path.endsWith('/') ? path : `${path}/`);
