import { ConfigError } from '@coffer/config';
import { StorageError } from '@coffer/storage';
import { FlagError } from './server-flags.ts';

/** Why a start failed, for people. */
export function explainStartFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'Error starting the server: unknown error';
  if (error instanceof ConfigError || error instanceof FlagError)
    return `Error loading the configuration: ${error.message}`;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') {
    const { address, port } = error as NodeJS.ErrnoException & { readonly address?: string; readonly port?: number };
    return `Error starting the listener: ${address ?? ''}:${String(port ?? '')} is in use by another program`;
  }
  if (code === 'EACCES') return `Error starting the server: permission denied (${error.message})`;
  if (error instanceof StorageError) return `Error opening the storage: ${error.message}`;
  return `Error starting the server: ${error.message}`;
}
