import { field } from './field.ts';
import type { Page } from './storage-view.ts';

/** Fields of every listing that gives its names in pages. */
export const pageFields = {
  after: field.string('Only names after this one.'),
  limit: field.int('At most so many names.'),
};

/** The page that a request asks for; '' and 0 ask for nothing, as in Vault. */
export function pageOf({
  after,
  limit,
}: {
  readonly after: string | undefined;
  readonly limit: number | undefined;
}): Page {
  return { ...(after ? { after } : {}), ...(limit !== undefined && limit > 0 ? { limit } : {}) };
}
