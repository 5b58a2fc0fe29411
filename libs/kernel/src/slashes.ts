/*
 * Slashes at the ends of paths. By hand: `/\/+$/` takes quadratic time on a text of many slashes that does not end with
 * one (CWE-1333), and a client may send megabytes of them.
 */

const SLASH = 0x2f;

/** Without the slashes at its end. Takes linear time. */
export function withoutEndSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === SLASH) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Without the slashes at both ends. Takes linear time. */
export function withoutSlashes(text: string): string {
  let start = 0;
  while (start < text.length && text.charCodeAt(start) === SLASH) start++;
  return withoutEndSlashes(start === 0 ? text : text.slice(start));
}

/** Without slashes at its beginning, with one at its end: a place for mounts or devices. Takes linear time. */
export const asFolder = (text: string): string => `${withoutSlashes(text)}/`;

/** With one slash at its end, however many there were. Takes linear time. */
export const withEndSlash = (text: string): string => `${withoutEndSlashes(text)}/`;
