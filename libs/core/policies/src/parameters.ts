import { isRawJson } from '@coffer/sdk';
import type { JsonObject } from '@coffer/sdk';
import type { Permission } from './rule.ts';

/**
 * What is wrong with the parameters of a request by a rule, in Vault's order: required, denied, allowed. Each that was sent
 * is judged by itself, without regard to the case of its name: of `a` and `A` the handler may read either. What is
 * required must be there by the name that handlers know, which is in lower case.
 */
export function parameterFault(permission: Permission, data: JsonObject): string | undefined {
  const { requiredParameters, deniedParameters, allowedParameters } = permission;
  if (!requiredParameters && !deniedParameters && !allowedParameters) return undefined;
  const sent = Object.entries(data).map(([name, value]) => [name.toLowerCase(), value] as const);
  for (const name of requiredParameters ?? [])
    if (!Object.hasOwn(data, name)) return `the parameter "${name}" is required`;
  if (deniedParameters) {
    if (deniedParameters.has('*') && sent.length > 0) return 'no parameters may be sent';
    for (const [name, value] of sent) {
      const values = deniedParameters.get(name);
      if (values && isDenied(value, values)) return `the value of the parameter "${name}" is denied`;
    }
  }
  if (allowedParameters && allowedParameters.size > 0) {
    const others = allowedParameters.get('*');
    for (const [name, value] of sent) {
      const values = allowedParameters.get(name) ?? others;
      if (!values) return `the parameter "${name}" is not allowed`;
      if (!isListed(value, values)) return `the value of the parameter "${name}" is not allowed`;
    }
  }
  return undefined;
}

/**
 * Stricter than what allows: a value that is told as a text, or in a list, is the same to the handler that types it.
 */
function isDenied(value: unknown, listed: readonly unknown[]): boolean {
  if (Array.isArray(value) && value.some((item) => isDenied(item, listed))) return true;
  if (isListed(value, listed)) return true;
  const text = scalarText(value);
  return text !== undefined && listed.some((item) => scalarText(item) === text);
}

function scalarText(value: unknown): string | undefined {
  const plain = isRawJson(value) ? Number(value.rawJSON) : value;
  return typeof plain === 'string' || typeof plain === 'number' || typeof plain === 'boolean'
    ? String(plain)
    : undefined;
}

/** Whether a value is one of those listed; an empty list stands for all. Texts may begin or end with `*`. */
function isListed(value: unknown, listed: readonly unknown[]): boolean {
  return (
    listed.length === 0 ||
    listed.some((item) =>
      typeof item === 'string' && typeof value === 'string' ? matchesGlob(value, item) : sameValue(value, item),
    )
  );
}

/** `*` at the beginning and the end stands for anything. */
export function matchesGlob(text: string, glob: string): boolean {
  if (!glob.includes('*')) return text === glob;
  const parts = glob.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > text.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
