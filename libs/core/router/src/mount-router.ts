import { PathTable } from '@coffer/sdk';
import type { EngineType, NamespaceRef } from '@coffer/sdk';
import type { LiveMount, Route, Router } from '@coffer/core-api';

interface CompiledType {
  readonly table: PathTable<unknown>;
  readonly streams: boolean;
}

/** Once a type, however many mounts it has. */
const compiledTypes = new WeakMap<EngineType, CompiledType>();

function compiled(type: EngineType): CompiledType {
  let found = compiledTypes.get(type);
  if (!found) {
    const streams = type.paths.some(({ streamedBody }) => streamedBody === true);
    compiledTypes.set(type, (found = { table: new PathTable(type.paths), streams }));
  }
  return found;
}

const NO_CAPTURES: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>);

/**
 * Finds mounts by their prefix: one map look-up a segment, since no mount lies within another. The key of a mount is
 * the pair of namespace id and prefix, never their concatenation (a namespace may be called like a mount).
 */
export class MountRouter implements Router {
  readonly #byNamespace = new Map<string, Map<string, LiveMount>>();
  readonly #byAccessor = new Map<string, LiveMount>();

  add(mount: LiveMount): void {
    const { entry, prefix } = mount;
    let prefixes = this.#byNamespace.get(entry.namespace.id);
    if (!prefixes) this.#byNamespace.set(entry.namespace.id, (prefixes = new Map<string, LiveMount>()));
    prefixes.set(prefix, mount);
    this.#byAccessor.set(entry.accessor, mount);
  }

  remove(mount: LiveMount): void {
    const { entry, prefix } = mount;
    const prefixes = this.#byNamespace.get(entry.namespace.id);
    if (prefixes?.get(prefix)?.entry.uuid === entry.uuid) prefixes.delete(prefix);
    if (this.#byAccessor.get(entry.accessor)?.prefix === prefix) this.#byAccessor.delete(entry.accessor);
  }

  mount(namespace: NamespaceRef, path: string): LiveMount | undefined {
    const prefixes = this.#byNamespace.get(namespace.id);
    if (!prefixes) return undefined;
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const found = prefixes.get(path.slice(0, slash + 1));
      if (found) return found;
    }
    return path.endsWith('/') ? undefined : prefixes.get(`${path}/`);
  }

  route(namespace: NamespaceRef, path: string): Route | undefined {
    const mount = this.mount(namespace, path);
    if (!mount) return undefined;
    const relativePath = path.slice(mount.prefix.length);
    const match = compiled(mount.type).table.match(relativePath);
    return match
      ? { mount, relativePath, path: match.path, captures: match.captures }
      : { mount, relativePath, captures: NO_CAPTURES };
  }

  takesStream(namespace: NamespaceRef, path: string): boolean {
    const mount = this.mount(namespace, path);
    if (!mount) return false;
    const { streams, table } = compiled(mount.type);
    return streams && table.match(path.slice(mount.prefix.length))?.path.streamedBody === true;
  }

  byAccessor(accessor: string): LiveMount | undefined {
    return this.#byAccessor.get(accessor);
  }

  all(): readonly LiveMount[] {
    return [...this.#byNamespace.values()].flatMap((prefixes) => [...prefixes.values()]);
  }
}
