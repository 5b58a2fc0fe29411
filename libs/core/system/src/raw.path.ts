import { withoutEndSlashes } from '@coffer/kernel';
import { RequestError, badRequest, definePath, field, listResponse } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';

/** What not even this endpoint shows or changes: keys, and what guards them. */
const PROTECTED: readonly string[] = ['core/keyring', 'core/seal', 'core/derivation-key', 'core/key-usage'];

/** @throws RequestError */
function allowed(path: string): string {
  const plain = withoutEndSlashes(path);
  if (plain.split('/').includes('..')) throw badRequest('path cannot contain ".."');
  if (PROTECTED.some((prefix) => plain === prefix || plain.startsWith(prefix))) {
    throw badRequest(`cannot access '${plain}'`);
  }
  return plain;
}

/** `sys/raw/…`: the store below all engines, for repairs; declared only where `raw_storage_endpoint` is on. */
export const rawPaths: readonly PathDeclaration<unknown>[] = [
  definePath('raw/:path*', {
    fields: {
      path: field.name('The key in the store.'),
      value: field.string('The new value.'),
      encoding: field.string('"base64", or nothing for text.', { default: '' }),
    },
    help: { synopsis: 'Reads and writes the store directly.' },
    sudo: true,
    rootNamespaceOnly: true,
    read: {
      summary: 'Read a key',
      handler: async (_: unknown, fields, context): Promise<Response | undefined> => {
        const bytes = await coreContext(context).transaction.get(allowed(fields.path));
        return bytes && { data: { value: encode(bytes, fields.encoding) } };
      },
    },
    update: {
      summary: 'Write a key',
      handler: (_: unknown, fields, context): undefined => {
        const path = allowed(fields.path);
        if (path === '') throw badRequest('missing path');
        if (fields.value === undefined) throw badRequest('missing value');
        coreContext(context).transaction.put(path, decode(fields.value, fields.encoding));
        return undefined;
      },
    },
    delete: {
      summary: 'Delete a key',
      handler: (_: unknown, { path }, context): undefined => {
        coreContext(context).transaction.delete(allowed(path));
        return undefined;
      },
    },
    list: {
      summary: 'The keys of a folder',
      handler: async (_: unknown, { path }, context): Promise<Response | undefined> => {
        const folder = allowed(path);
        return listResponse(await coreContext(context).transaction.list(folder === '' ? '' : `${folder}/`));
      },
    },
  }),
];

function encode(bytes: Uint8Array, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(bytes).toString('base64');
  if (encoding !== '') throw badRequest(`invalid encoding "${encoding}": expected "base64" or nothing`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RequestError('bad-request', 'the value is not text: ask for encoding=base64', { cause });
  }
}

function decode(text: string, encoding: string): Uint8Array {
  if (encoding === '') return new TextEncoder().encode(text);
  if (encoding !== 'base64') throw badRequest(`invalid encoding "${encoding}": expected "base64" or nothing`);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw badRequest('value is not base64');
  return new Uint8Array(Buffer.from(text, 'base64'));
}
