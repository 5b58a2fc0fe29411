import { Secret } from '@coffer/kernel';
import type { RequestContext } from '@coffer/sdk';
import { badRequest } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { TokenEntry } from '@coffer/core-api';
import type { TokenService } from '../token-service.ts';

/** A token by its text, as the request's transaction sees it: what the request itself spent shows. */
export async function findToken(
  tokens: TokenService,
  context: RequestContext,
  text: string,
): Promise<TokenEntry | undefined> {
  const token = new Secret(text);
  const known = await tokens.lookup(token);
  if (known?.type === 'batch') return known;
  return tokens.inTransaction(coreContext(context).transaction, tokens.saltedIdOf(token));
}

/** @throws RequestError `bad-request` */
export async function findByAccessor(tokens: TokenService, accessor: string): Promise<TokenEntry> {
  if (accessor === '') throw badRequest('missing accessor');
  const entry = await tokens.byAccessor(accessor);
  if (!entry) throw badRequest('invalid accessor');
  return entry;
}

/** The text of the caller's own token. */
export function ownToken({ request }: RequestContext): string {
  return request.token?.reveal() ?? '';
}
