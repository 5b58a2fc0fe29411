import type { EntityView } from '@coffer/sdk';
import type { PathRule } from './rule.ts';

/** What an operator lets the values of a policy's templates hold, though it can widen grants. */
export interface AllowedInValues {
  readonly slashes?: boolean | undefined;
  readonly wildcards?: boolean | undefined;
}

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;

export const hasTemplates = (rules: readonly PathRule[]): boolean => rules.some((rule) => rule.path.includes('{{'));

/**
 * Fills the placeholders of a rule's path from the caller's identity. A value that is missing, or that would be more than
 * one plain segment (`/`, `*`, `+`, line ends, dots alone …), drops the rule: nothing is ever widened by a template
 * (GHSA-59w7, CVE-2026-5006).
 */
export function fillTemplates(
  rules: readonly PathRule[],
  entity: EntityView | undefined,
  allowed: AllowedInValues = {},
): readonly PathRule[] {
  return rules.flatMap((rule) => {
    if (!rule.path.includes('{{')) return [rule];
    let whole = true;
    const path = rule.path.replaceAll(PLACEHOLDER, (_, expression: string) => {
      const value = entity && valueOf(expression.trim(), entity);
      if (value === undefined || !isPlain(value, allowed)) whole = false;
      return value ?? '';
    });
    return whole && !path.includes('{{') ? [{ ...rule, path }] : [];
  });
}

function isPlain(value: string, { slashes, wildcards }: AllowedInValues): boolean {
  if (!slashes && value.includes('/')) return false;
  if (!wildcards && /[*+]/.test(value)) return false;
  if (value.split('/').some((part) => part === '' || part === '.' || part === '..')) return false;
  return !/[{}\\]|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(value);
}

function valueOf(expression: string, entity: EntityView): string | undefined {
  const [scope, kind, ...rest] = splitExpression(expression);
  if (scope !== 'identity') return undefined;
  if (kind === 'entity') return entityValue(rest, entity);
  if (kind !== 'groups') return undefined;
  const [by, key, what] = rest;
  const group = entity.groups.find((candidate) =>
    by === 'ids' ? candidate.id === key : by === 'names' && candidate.name === key,
  );
  if (!group) return undefined;
  return what === 'id' ? group.id : what === 'name' ? group.name : undefined;
}

function entityValue(path: readonly string[], entity: EntityView): string | undefined {
  const [first, second, third, fourth] = path;
  if (path.length === 1) return first === 'id' ? entity.id : first === 'name' ? entity.name : undefined;
  if (first === 'metadata' && second !== undefined && path.length === 2) return own(entity.metadata, second);
  if (first !== 'aliases') return undefined;
  const alias = entity.aliases.find((candidate) => candidate.mountAccessor === second);
  if (!alias) return undefined;
  if (third === 'name' && path.length === 3) return alias.name;
  if (third === 'metadata' && fourth !== undefined && path.length === 4) return own(alias.metadata, fourth);
  return undefined;
}

function own(record: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** `a.b.c`; keys of metadata may hold dots, so what follows `metadata` stays whole. */
function splitExpression(expression: string): readonly string[] {
  const at = expression.indexOf('.metadata.');
  if (at === -1) return expression.split('.');
  return [...expression.slice(0, at).split('.'), 'metadata', expression.slice(at + '.metadata.'.length)];
}
