import { RequestError } from '@coffer/sdk';

/** Sealed nodes have no storage to show. */
export const NO_VIEW = {
  get: refuse,
  getJson: refuse,
  list: refuse,
  keys: refuse,
  put: refuse,
  putJson: refuse,
  delete: refuse,
};

function refuse(): never {
  throw new RequestError('sealed');
}
