/** As deep as the body of a request may be. */
const DEPTH_MAX = 300;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * JSON within a text field: the bounds on bodies saw one text there. Deeper values would run recursions over them out of
 * stack.
 *
 * @returns undefined for what is no JSON or nested too deeply
 */
export function parseNestedJson(text: string): unknown {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > DEPTH_MAX) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}
