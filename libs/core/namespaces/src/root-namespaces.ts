import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import type { Namespaces } from '@coffer/core-api';

/**
 * The root namespace alone, in the header as '', `/`, `root` or `root/`, as in Vault. Any other name leads nowhere; so do
 * names that look like the root (`ROOT`, `..`, encoded slashes).
 */
export class RootNamespaces implements Namespaces {
  byPath(path: string): NamespaceRef | undefined {
    return path === '' ? ROOT_NAMESPACE : undefined;
  }

  resolve(header: string, path: string): { readonly namespace: NamespaceRef; readonly path: string } | undefined {
    const namespace = this.byPath(header === '/' || header === 'root' || header === 'root/' ? '' : header);
    return namespace && { namespace, path };
  }
}
