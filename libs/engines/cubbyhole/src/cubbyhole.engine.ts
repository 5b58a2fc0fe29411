import { whenReady } from '@coffer/kernel';
import { RequestError, badRequest, collection, definePath, field, listResponse } from '@coffer/sdk';
import type { Caller, EngineType, RequestContext } from '@coffer/sdk';
import { SecretsEngine } from '@coffer/sdk-nest';

type Entry = Readonly<Record<string, unknown>>;

/** Below each token's salted id. */
const entries = collection<Entry>('');

/** @throws RequestError for callers without a space of their own */
function spaceOf(context: RequestContext): string {
  const caller: Caller | undefined = context.caller;
  if (!caller) throw new RequestError('permission-denied');
  if (caller.tokenType === 'batch') throw badRequest('cubbyhole operations are only supported by service tokens');
  return `${caller.saltedTokenId}/`;
}

const folderOf = (path: string): string => (path === '' || path.endsWith('/') ? path : `${path}/`);

const ownSpacePath = definePath(':path*', {
  fields: { path: field.name('Where to keep it.') },
  help: {
    synopsis: "Keeps secrets in a space of the caller's own token.",
    description: 'No other token can see them, not even the root token, and they are gone when the token is.',
  },
  arbitraryFields: true,
  exists: (_: null, { path }, context) => entries.has(context.view, spaceOf(context) + path),
  read: {
    summary: 'Read',
    handler: (_: null, { path }, context) =>
      whenReady(entries.get(context.view, spaceOf(context) + path), (entry) => entry && { data: entry }),
  },
  update: {
    summary: 'Write',
    handler: (_: null, { path }, context): undefined => {
      if (path === '') throw badRequest('missing path');
      if (path.endsWith('/')) throw badRequest("cannot write to a path ending in '/'");
      if (Object.keys(context.request.data).length === 0) throw badRequest('missing data fields');
      entries.put(context.view, spaceOf(context) + path, context.request.data);
    },
  },
  delete: {
    summary: 'Delete',
    handler: (_: null, { path }, context): undefined => {
      entries.delete(context.view, spaceOf(context) + path);
    },
  },
  list: {
    summary: 'List a folder',
    handler: (_: null, { path }, context) =>
      whenReady(entries.list(context.view, spaceOf(context) + folderOf(path)), (keys) => listResponse(keys)),
  },
});

/** A space for each token; the token store removes it with the token. */
@SecretsEngine({ names: ['cubbyhole'], singleton: true })
export class CubbyholeEngine implements EngineType<null> {
  readonly help = {
    synopsis: 'Per-token private secret storage.',
    description: 'What is written can be read by the same token only, and is destroyed with the token.',
  };
  readonly paths = [ownSpacePath];

  create(): null {
    return null;
  }
}
