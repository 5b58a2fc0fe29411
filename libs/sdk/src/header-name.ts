import { badRequest } from './errors.ts';

/** A token (RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** @throws RequestError `bad-request` for what cannot be the name of an HTTP header */
export function checkHeaderName(name: string): void {
  if (!TOKEN.test(name)) throw badRequest(`"${name}" is not a valid header name`);
}
