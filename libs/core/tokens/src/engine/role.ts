import { collection } from '@coffer/sdk';
import type { TokenParameters } from '@coffer/sdk';

/** What tokens made by `create/<role>` may be. Names of policies are normalised. */
export interface TokenRole {
  readonly allowedPolicies: readonly string[];
  readonly disallowedPolicies: readonly string[];
  readonly allowedPolicyGlobs: readonly string[];
  readonly disallowedPolicyGlobs: readonly string[];
  /** Lower case; may be globs. Null: never set. */
  readonly allowedEntityAliases: readonly string[] | null;
  readonly orphan: boolean;
  readonly renewable: boolean;
  readonly pathSuffix: string;
  readonly parameters: TokenParameters;
  /** Set by the older names of the fields, and shown under them. */
  readonly legacyPeriodSeconds: number;
  readonly legacyExplicitMaxTtlSeconds: number;
  readonly legacyBoundCidrs?: readonly string[];
}

export const roles = collection<TokenRole>('role/');

/** Whether any pattern fits: `*` stands for any text, at either end or both. */
export function matchesGlob(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*') return true;
    const head = pattern.startsWith('*');
    const tail = pattern.endsWith('*');
    if (head && tail) return text.includes(pattern.slice(1, -1));
    if (head) return text.endsWith(pattern.slice(1));
    if (tail) return text.startsWith(pattern.slice(0, -1));
    return pattern === text;
  });
}
