import { BarrierError } from '@coffer/barrier';
import { RequestError } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import { ForwardFailure } from './forward-failure.ts';

/** What the client is told of a failure; the failure itself goes to the log as the cause. */
export function classify(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof StorageError) return ofStorage(error);
  if (error instanceof BarrierError) {
    if (error.code === 'sealed') return new RequestError('sealed', undefined, { cause: error });
    if (error.code === 'not-initialized') return new RequestError('not-initialized', undefined, { cause: error });
    if (error.code === 'corrupt') return new RequestError('internal', undefined, { cause: error });
    return new RequestError('bad-request', error.message, { cause: error });
  }
  if (error instanceof ForwardFailure) return ofForwarding(error);
  return new RequestError('internal', undefined, { cause: error });
}

function ofForwarding(error: ForwardFailure): RequestError {
  switch (error.kind) {
    case 'unsent':
      return new RequestError('standby', undefined, { cause: error, retryAfterSeconds: 1 });
    case 'busy':
      return new RequestError('standby', 'too many requests wait for the active node; try again', {
        cause: error,
        retryAfterSeconds: 1,
      });
    case 'too-large':
      return new RequestError('too-large', 'the request is too large to be sent on to the active node', {
        cause: error,
      });
    case 'interrupted':
      return new RequestError('in-doubt', undefined, { cause: error, retryAfterSeconds: 1 });
  }
}

function ofStorage(error: StorageError): RequestError {
  switch (error.code) {
    case 'not-active':
    case 'epoch-lost':
    case 'no-leader':
      return new RequestError('standby', undefined, { cause: error, retryAfterSeconds: 1 });
    case 'in-doubt':
      return new RequestError('in-doubt', undefined, { cause: error, retryAfterSeconds: 1 });
    case 'deadline':
      return new RequestError('gateway-timeout', undefined, { cause: error });
    case 'too-large':
      return new RequestError('too-large', error.message, { cause: error });
    case 'conflict':
      return new RequestError('standby', 'too many requests change the same entry; try again', {
        cause: error,
        retryAfterSeconds: 1,
      });
    case 'disk':
      // Nothing was written; another node can do it, or this one when its disk works again.
      return new RequestError('standby', 'the storage of this node does not work', {
        cause: error,
        retryAfterSeconds: 1,
      });
    case 'corrupt':
    case 'closed':
      return new RequestError('internal', undefined, { cause: error });
  }
}
