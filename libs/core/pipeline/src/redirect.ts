import type { Request } from '@coffer/sdk';
import type { Rendered } from './outcome.ts';

/**
 * Sends a client on to the active node, itself: 307 keeps method and body (RFC 9110, 15.4.8).
 *
 * @param apiAddress of the active node, e.g. `https://10.0.0.1:8200`
 */
export function redirectTo(apiAddress: string, request: Request): Rendered {
  const path = `${request.namespace.path}${request.path}`.split('/').map(encodeURIComponent).join('/');
  const query = request.rawBody === undefined ? queryOf(request) : '';
  return { status: 307, headers: { location: `${apiAddress}/v1/${path}${query}` }, body: undefined };
}

/** What a read was asked with; a list may have been a GET. */
function queryOf({ operation, data }: Request): string {
  const query = new URLSearchParams();
  if (operation === 'list' || operation === 'scan') query.set(operation, 'true');
  if (operation === 'help') query.set('help', '1');
  for (const [name, value] of Object.entries(data)) {
    for (const each of Array.isArray(value) ? (value as readonly unknown[]) : [value]) query.append(name, String(each));
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}
