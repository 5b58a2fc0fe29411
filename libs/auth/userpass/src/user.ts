import { collection } from '@coffer/sdk';
import type { TokenParameters } from '@coffer/sdk';

/** A user, stored under the lower-cased name. */
export interface User {
  /** bcrypt. */
  readonly passwordHash: string;
  readonly parameters: TokenParameters;
  /** See `olderNames`. */
  readonly older?: readonly string[];
}

export const users = collection<User>('user/');

/** One name for all spellings that differ by case only. */
export const userKey = (name: string): string => name.toLowerCase();
