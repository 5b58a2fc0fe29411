/** `JSON.rawJSON` and the reviver's `context.source` (ECMA-262, JSON.parse source text access) are newer than the types. */
const json = JSON as unknown as { rawJSON(text: string): unknown; isRawJSON(value: unknown): boolean };

/** Parses JSON; numbers that JavaScript would write otherwise stay as their text (`JSON.rawJSON`). @throws SyntaxError */
export function parseExactJson(text: string): unknown {
  if (!/\d{16}|\d[.eE]|-0/.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source;
    return typeof value !== 'number' || source === undefined || String(value) === source ? value : json.rawJSON(source);
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** A number that is kept as its text. */
export function exactNumber(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !json.isRawJSON(value)) return undefined;
  return (value as { readonly rawJSON: string }).rawJSON;
}
