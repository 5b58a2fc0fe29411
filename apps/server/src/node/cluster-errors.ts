import { JOIN_STATUS, JoinError, MembershipError } from '@coffer/cluster';
import { RequestError } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';

/** What went wrong, as the other side is told. */
export async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MembershipError) throw new RequestError('bad-request', error.message, { cause: error });
    // A name that is taken, say; a busy or changing cluster is not meant.
    if (error instanceof StorageError && error.code === 'conflict')
      throw new RequestError('bad-request', error.message, { cause: error });
    if (!(error instanceof JoinError)) throw error;
    const status = JOIN_STATUS[error.code];
    if (status === 403) throw new RequestError('permission-denied', error.message, { cause: error });
    if (status === 429) throw new RequestError('quota-exceeded', error.message, { cause: error, retryAfterSeconds: 1 });
    // What the other node said or did not say is for the operator of this one to read.
    throw new RequestError('bad-request', error.message, { cause: error });
  }
}
