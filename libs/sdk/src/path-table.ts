import { assert } from '@coffer/kernel';
import type { PathDeclaration } from './path.ts';

/** Where a request's path leads within a mount. */
export interface PathMatch<E> {
  readonly path: PathDeclaration<E>;
  /** Null prototype: names come from declarations, values from the client. */
  readonly captures: Readonly<Record<string, string>>;
}

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one'; readonly name: string; readonly optional: boolean }
  | { readonly kind: 'rest'; readonly name: string; readonly mayBeEmpty: boolean };

interface Node<E> {
  readonly literals: Map<string, Node<E>>;
  one?: { readonly node: Node<E>; readonly name: string };
  rest?: { readonly path: PathDeclaration<E>; readonly name: string; readonly mayBeEmpty: boolean };
  end?: { readonly path: PathDeclaration<E>; readonly names: readonly string[] };
}

const PARAMETER = /^:([a-z][a-z0-9_]*)([?*+]?)$/;

/** Splits a pattern. @throws AssertionFailure for one that is not well-formed */
export function parsePattern(pattern: string): readonly Segment[] {
  if (pattern === '') return [];
  const parts = pattern.split('/');
  return parts.map((part, position): Segment => {
    if (!part.startsWith(':')) {
      assert(/^[A-Za-z0-9._~-]+$/.test(part), `pattern ${pattern} has literal segments of safe characters`);
      return { kind: 'literal', text: part };
    }
    const found = PARAMETER.exec(part);
    assert(found !== null, `pattern ${pattern} has well-formed parameters`);
    const [, name = '', suffix = ''] = found;
    assert(suffix === '' || position === parts.length - 1, `only the last segment of pattern ${pattern} is open-ended`);
    if (suffix === '*' || suffix === '+') return { kind: 'rest', name, mayBeEmpty: suffix === '*' };
    return { kind: 'one', name, optional: suffix === '?' };
  });
}

/**
 * The declared paths of one engine type as a trie of segments. Literals beat single parameters, which beat rests,
 * whatever the order of declaration; no regular expression ever sees what a client sent.
 */
export class PathTable<E> {
  readonly #root: Node<E> = { literals: new Map() };
  readonly paths: readonly PathDeclaration<E>[];

  /** @throws AssertionFailure for two paths of the same shape, or an undeclared parameter */
  constructor(paths: readonly PathDeclaration<E>[]) {
    this.paths = paths;
    for (const path of paths) this.#add(path);
  }

  #add(path: PathDeclaration<E>): void {
    let node = this.#root;
    const names: string[] = [];
    for (const segment of parsePattern(path.pattern)) {
      if (segment.kind === 'literal') {
        let next = node.literals.get(segment.text);
        if (!next) node.literals.set(segment.text, (next = { literals: new Map() }));
        node = next;
        continue;
      }
      assert(segment.name in path.fields, `parameter ${segment.name} of ${path.pattern} is a declared field`);
      if (segment.kind === 'rest') {
        assert(node.rest === undefined, `no two paths have the shape of ${path.pattern}`);
        node.rest = { path, name: segment.name, mayBeEmpty: segment.mayBeEmpty };
        this.#setNames(node, names);
        return;
      }
      if (segment.optional) this.#end(node, path, names);
      node.one ??= { node: { literals: new Map() }, name: segment.name };
      names.push(segment.name);
      node = node.one.node;
    }
    this.#end(node, path, names);
  }

  readonly #restNames = new Map<Node<E>, readonly string[]>();

  #setNames(node: Node<E>, names: readonly string[]): void {
    this.#restNames.set(node, names);
  }

  #end(node: Node<E>, path: PathDeclaration<E>, names: readonly string[]): void {
    assert(node.end === undefined, `no two paths have the shape of ${path.pattern}`);
    node.end = { path, names: [...names] };
  }

  /** @param relativePath below the mount, without a leading slash */
  match(relativePath: string): PathMatch<E> | undefined {
    const parts = relativePath === '' ? [] : relativePath.split('/');
    const trailingSlash = parts.length > 0 && parts[parts.length - 1] === '';
    if (trailingSlash) parts.pop();
    return this.#find(this.#root, parts, 0, [], trailingSlash);
  }

  #find(
    node: Node<E>,
    parts: readonly string[],
    at: number,
    values: string[],
    trailingSlash: boolean,
  ): PathMatch<E> | undefined {
    if (at === parts.length) {
      if (node.end) return { path: node.end.path, captures: captured(node.end.names, values) };
      return node.rest?.mayBeEmpty ? this.#rest(node, '', values) : undefined;
    }
    const part = parts[at] as string;
    const literal = node.literals.get(part);
    const byLiteral = literal && this.#find(literal, parts, at + 1, values, trailingSlash);
    if (byLiteral) return byLiteral;
    if (node.one && part !== '') {
      values.push(part);
      const byOne = this.#find(node.one.node, parts, at + 1, values, trailingSlash);
      if (byOne) return byOne;
      values.pop();
    }
    return node.rest ? this.#rest(node, parts.slice(at).join('/') + (trailingSlash ? '/' : ''), values) : undefined;
  }

  #rest(node: Node<E>, rest: string, values: readonly string[]): PathMatch<E> | undefined {
    if (!node.rest) return undefined;
    const captures = captured(this.#restNames.get(node) ?? [], values);
    captures[node.rest.name] = rest;
    return { path: node.rest.path, captures };
  }
}

function captured(names: readonly string[], values: readonly string[]): Record<string, string> {
  const captures = Object.create(null) as Record<string, string>;
  names.forEach((name, index) => {
    captures[name] = values[index] ?? '';
  });
  return captures;
}
