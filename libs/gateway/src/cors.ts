import { RequestError } from '@coffer/sdk';
import type { MaybePromise } from '@coffer/kernel';

/** What a web page may do that may use the API. */
export interface AllowedPage {
  readonly allowedHeaders: readonly string[];
  /** Whether its browser may send what it knows of the user. */
  readonly allowCredentials?: boolean;
}

/** Which web pages of other origins may use the API. */
export interface CorsRules {
  /**
   * What to answer to a request of this `Origin`; undefined while CORS is off, and while the node is sealed and cannot
   * know: requests are served then without telling browsers anything.
   */
  judge(origin: string): MaybePromise<AllowedPage | 'refused' | undefined>;
}

const ALLOWED_METHODS: readonly string[] = ['DELETE', 'GET', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'LIST', 'SCAN'];
const PREFLIGHT_SECONDS_MAX = 300;

/** What to do with a request from a web page. */
export interface CorsAnswer {
  readonly headers: Readonly<Record<string, string>>;
  /** A question of the browser's own: answered with the headers alone. */
  readonly preflight: boolean;
}

/** @throws RequestError `permission-denied` for an origin that is not allowed, `unsupported-operation` for such a method */
export function corsAnswer(
  judged: AllowedPage | 'refused',
  origin: string,
  method: string,
  requestedMethod: string | undefined,
): CorsAnswer {
  if (judged === 'refused') throw new RequestError('permission-denied', 'origin not allowed');
  const headers = {
    'access-control-allow-origin': origin,
    vary: 'Origin',
    ...(judged.allowCredentials ? { 'access-control-allow-credentials': 'true' } : {}),
  };
  if (method !== 'OPTIONS') return { headers, preflight: false };
  if (requestedMethod === undefined || !ALLOWED_METHODS.includes(requestedMethod))
    throw new RequestError('unsupported-operation');
  return {
    preflight: true,
    headers: {
      ...headers,
      'access-control-allow-methods': ALLOWED_METHODS.join(','),
      'access-control-allow-headers': judged.allowedHeaders.join(','),
      'access-control-max-age': String(PREFLIGHT_SECONDS_MAX),
    },
  };
}
