import { createHash } from 'node:crypto';
import { offLoopWork } from '@coffer/sdk';

/** Stands for what takes long. */
export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export const hashing = offLoopWork(import.meta.url, hash);
