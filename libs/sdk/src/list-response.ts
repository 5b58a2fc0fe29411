import type { Response } from './response.ts';

/** The answer to a list: 404 where there is nothing, as Vault has it. */
export function listResponse(
  keys: readonly string[],
  keyInfo?: Readonly<Record<string, unknown>>,
): Response | undefined {
  if (keys.length === 0) return undefined;
  return { data: keyInfo === undefined ? { keys } : { key_info: keyInfo, keys } };
}
