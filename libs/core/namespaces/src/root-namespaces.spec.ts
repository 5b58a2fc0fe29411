import { ROOT_NAMESPACE } from '@coffer/sdk';
import { RootNamespaces } from './root-namespaces.ts';

describe('RootNamespaces', () => {
  it('finds the root by the names that Vault gives it', () => {
    for (const header of ['', '/', 'root', 'root/'])
      expect(new RootNamespaces().resolve(header, 'secret/a')).toEqual({ namespace: ROOT_NAMESPACE, path: 'secret/a' });
    expect(new RootNamespaces().byPath('')).toBe(ROOT_NAMESPACE);
  });

  it.each(['team', 'team/', 'ROOT', ' root', 'root//', '//', '..', '../', '.', '%2f', 'root\u0000', 'constructor'])(
    'finds nothing by %j',
    (header) => {
      expect(new RootNamespaces().resolve(header, 'secret/a')).toBeUndefined();
    },
  );
});
