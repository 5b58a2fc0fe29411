import type { IncomingMessage } from 'node:http';
import { parseDurationSeconds } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { Headers, Request } from '@coffer/sdk';

const TOKEN_HEADER = 'x-vault-token';

/** The first of a header's values. */
export function headerText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** The token, from either header. */
export function tokenOf(headers: IncomingMessage['headers']): string | undefined {
  const own = headerText(headers[TOKEN_HEADER]);
  if (own !== undefined) return own === '' ? undefined : own;
  const { authorization } = headers;
  return authorization?.startsWith('Bearer ') ? authorization.slice(7).trim() || undefined : undefined;
}

/** What engines may see of the headers. */
export function withoutToken(headers: IncomingMessage['headers']): Headers {
  const { [TOKEN_HEADER]: _, ...rest } = headers;
  void _;
  if (rest.authorization?.startsWith('Bearer ')) delete rest.authorization;
  return rest;
}

/** @throws RequestError `bad-request` */
export function wrapTtlOf(text: string): { readonly wrapTtlSeconds?: number } {
  const seconds = parseDurationSeconds(text);
  if (seconds === undefined) throw badRequest(`error parsing X-Vault-Wrap-TTL header: invalid duration "${text}"`);
  if (seconds < 0) throw badRequest('error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative');
  return seconds === 0 ? {} : { wrapTtlSeconds: seconds };
}

/** Whether the client says anything of where or from which state it wants to be answered. */
export function saysWhere(headers: IncomingMessage['headers']): boolean {
  return (
    headers['x-vault-index'] !== undefined ||
    headers['x-vault-inconsistent'] !== undefined ||
    headers['x-vault-forward'] !== undefined
  );
}

/** Which node may answer, and from which state. @throws RequestError `bad-request` for values that mean nothing */
export function whereOf(
  headers: IncomingMessage['headers'],
): Pick<Request, 'requiredState' | 'whenBehind' | 'toActive'> {
  const index = headerText(headers['x-vault-index']);
  const inconsistent = headerText(headers['x-vault-inconsistent']);
  const forward = headerText(headers['x-vault-forward']);
  if (forward !== undefined && forward !== '' && forward !== 'active-node')
    throw badRequest('X-Vault-Forward: expected active-node');
  if (inconsistent && !INCONSISTENT.has(inconsistent))
    throw badRequest('X-Vault-Inconsistent: expected forward-active-node, fail or allow-stale');
  const whenBehind = inconsistent ? INCONSISTENT.get(inconsistent) : undefined;
  return {
    ...(index ? { requiredState: index } : {}),
    ...(whenBehind ? { whenBehind } : {}),
    ...(forward ? { toActive: true } : {}),
  };
}

const INCONSISTENT: ReadonlyMap<string, Request['whenBehind']> = new Map([
  ['forward-active-node', 'forward'],
  ['fail', 'fail'],
  ['allow-stale', undefined],
]);
