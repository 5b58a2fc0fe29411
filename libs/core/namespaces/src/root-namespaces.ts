import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import type { Namespaces } from '@coffer/core-api';

/**
 * The root namespace alone. Any other name in the header leads nowhere; names that look like the root (`root`, `..`,
 * encoded slashes) are names like any other and lead nowhere, too.
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
