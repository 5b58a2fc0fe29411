import { Secret } from '@coffer/kernel';
import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { TokenEngineDeps } from './deps.ts';
import { hasSudo } from './caller.ts';
import { ownToken } from './find-token.ts';
import { refuseBatch } from './lookup.path.ts';

/*
 * Revocation has transactions of its own (many, for a tree): nothing of the token is read in the request's, which
 * would run again for it.
 */

export function revokePaths(deps: TokenEngineDeps): readonly PathDeclaration<null>[] {
  const revoke = async (text: string): Promise<undefined> => {
    if (text === '') throw badRequest('missing token ID');
    const token = new Secret(text);
    const entry = await deps.tokens().lookup(token);
    if (entry) refuseBatch(entry, 'revoked');
    // One that has ended, or whose revocation is under way, is waited for.
    await deps.tokens().revokeTree(deps.tokens().saltedIdOf(token));
  };
  return [
    definePath('revoke', {
      fields: { token: field.string('The token.', { default: '', secret: true }) },
      help: { synopsis: 'Revokes a token and all below it.' },
      update: { summary: 'Revoke a token', handler: (_: null, { token }) => revoke(token) },
    }),
    definePath('revoke-self', {
      fields: { token: field.string('Not used: it is the own token that is revoked.', { secret: true }) },
      help: { synopsis: 'Revokes the own token and all below it.' },
      update: { summary: 'Revoke the own token', handler: (_: null, _fields, context) => revoke(ownToken(context)) },
    }),
    definePath('revoke-orphan', {
      fields: { token: field.string('The token.', { default: '', secret: true }) },
      help: { synopsis: 'Revokes a token; its children become orphans.' },
      update: {
        summary: 'Revoke a token alone',
        handler: async (_: null, { token }, context): Promise<undefined> => {
          if (!hasSudo(context)) throw badRequest('root or sudo privileges required to revoke and orphan');
          if (token === '') throw badRequest('missing token ID');
          const entry = await deps.tokens().lookup(new Secret(token));
          if (!entry) throw badRequest('token to revoke not found');
          refuseBatch(entry, 'revoked');
          await deps.tokens().revokeOrphan(entry.saltedId);
        },
      },
    }),
    definePath('revoke-accessor', {
      fields: { accessor: field.string('Accessor of the token.', { default: '' }) },
      help: { synopsis: 'Revokes a token and all below it, by its accessor.' },
      update: {
        summary: 'Revoke a token',
        handler: async (_: null, { accessor }): Promise<Response | undefined> => {
          if (accessor === '') throw badRequest('missing accessor');
          const entry = await deps.tokens().byAccessor(accessor);
          if (!entry) return { warnings: ['No token found with this accessor'] };
          await deps.tokens().revokeTree(entry.saltedId);
          return undefined;
        },
      },
    }),
  ];
}
