import { badRequest } from '@coffer/sdk';

/** What a URL asks for. */
export interface ParsedTarget {
  /** Decoded once, without the leading `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams | undefined;
  /** The client should ask there instead: the target with doubled slashes made single (as Go's ServeMux answers). */
  readonly redirect?: string;
}

const SAFE = /^[A-Za-z0-9/_.~:@$&'()+,;=!*-]*$/;

/**
 * Splits and decodes the target of a request below `/v1/`, once; policy and router see this very text.
 *
 * @throws RequestError `bad-request` for `.` and `..` segments, empty segments, control characters, NUL and invalid UTF-8
 */
export function parseTarget(target: string): ParsedTarget {
  const mark = target.indexOf('?');
  const raw = mark === -1 ? target.slice(4) : target.slice(4, mark);
  const query = mark === -1 || mark === target.length - 1 ? undefined : new URLSearchParams(target.slice(mark + 1));
  if (raw.includes('//') || raw.startsWith('/')) {
    const single = raw.replaceAll(/\/{2,}/g, '/').replace(/^\//, '');
    return { path: '', query, redirect: `/v1/${single}${mark === -1 ? '' : target.slice(mark)}` };
  }
  const path = SAFE.test(raw) ? raw : decode(raw);
  if (path.includes('//') || path.startsWith('/')) throw badRequest('path cannot have empty segments');
  if (path.includes('.') && /(^|\/)\.{1,2}(\/|$)/.test(path))
    throw badRequest("path cannot have the segments '.' or '..'");
  return { path, query };
}

function decode(raw: string): string {
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch (error) {
    if (error instanceof URIError) throw badRequest('path is not valid percent-encoded UTF-8');
    throw error;
  }
  // \p{C}: control and format characters, lone surrogates, unassigned code points: nothing that prints.
  if (/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(path)) throw badRequest('path cannot contain non-printable characters');
  return path;
}
