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

interface Rest<E> {
  readonly path: PathDeclaration<E>;
  readonly name: string;
  readonly mayBeEmpty: boolean;
  /** Literal segments that follow it: `:path+/tune`. */
  readonly suffix: readonly string[];
  /** Parameters before it. */
  readonly names: readonly string[];
}

interface Node<E> {
  readonly literals: Map<string, Node<E>>;
  one?: { readonly node: Node<E>; readonly word: boolean };
  /** Longest suffix first. */
  readonly rests: Rest<E>[];
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
    const open = suffix === '*' || suffix === '+';
    const rest = parts.slice(position + 1);
    assert(
      open ? rest.every((next) => !next.startsWith(':')) : suffix !== '?' || rest.length === 0,
      `nothing but literals follows the open end of ${pattern}`,
    );
    if (suffix === '*' || suffix === '+') return { kind: 'rest', name, mayBeEmpty: suffix === '*' };
    return { kind: 'one', name, optional: suffix === '?' };
  });
}

/**
 * The declared paths of one engine type as a trie of segments. Literals beat single parameters, which beat rests,
 * whatever the order of declaration; no regular expression ever sees what a client sent.
 */
export class PathTable<E> {
  readonly #root: Node<E> = emptyNode();
  readonly paths: readonly PathDeclaration<E>[];

  /** @throws AssertionFailure for two paths of the same shape, or an undeclared parameter */
  constructor(paths: readonly PathDeclaration<E>[]) {
    this.paths = paths;
    for (const path of paths) this.#add(path);
  }

  #add(path: PathDeclaration<E>): void {
    let node = this.#root;
    const names: string[] = [];
    const segments = parsePattern(path.pattern);
    for (const [position, segment] of segments.entries()) {
      if (segment.kind === 'literal') {
        let next = node.literals.get(segment.text);
        if (!next) node.literals.set(segment.text, (next = emptyNode()));
        node = next;
        continue;
      }
      assert(segment.name in path.fields, `parameter ${segment.name} of ${path.pattern} is a declared field`);
      if (segment.kind === 'rest') {
        const suffix = segments.slice(position + 1).map((next) => (next.kind === 'literal' ? next.text : ''));
        this.#addRest(node, { path, name: segment.name, mayBeEmpty: segment.mayBeEmpty, suffix, names: [...names] });
        return;
      }
      if (segment.optional) this.#end(node, path, names);
      const word = path.fields[segment.name]?.word === true;
      node.one ??= { node: emptyNode(), word };
      assert(node.one.word === word, `paths like ${path.pattern} agree about the form of ${segment.name}`);
      names.push(segment.name);
      node = node.one.node;
    }
    this.#end(node, path, names);
  }

  #addRest(node: Node<E>, rest: Rest<E>): void {
    const same = node.rests.some((other) => other.suffix.join('/') === rest.suffix.join('/'));
    assert(!same, `no two paths have the shape of ${rest.path.pattern}`);
    node.rests.push(rest);
    node.rests.sort((a, b) => b.suffix.length - a.suffix.length);
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
    if (at === parts.length && node.end && (!trailingSlash || isFolder(node.end.path)))
      return { path: node.end.path, captures: captured(node.end.names, values) };
    const part = parts[at];
    if (part !== undefined) {
      const literal = node.literals.get(part);
      const byLiteral = literal && this.#find(literal, parts, at + 1, values, trailingSlash);
      if (byLiteral) return byLiteral;
      if (node.one && part !== '' && (!node.one.word || isWord(part))) {
        values.push(part);
        const byOne = this.#find(node.one.node, parts, at + 1, values, trailingSlash);
        if (byOne) return byOne;
        values.pop();
      }
    }
    for (const rest of node.rests) {
      const found = matchRest(rest, parts, at, values, trailingSlash);
      if (found) return found;
    }
    return undefined;
  }
}

/** See `FieldOptions.word`. */
function isWord(text: string): boolean {
  return !/[^\w.-]/.test(text) && /^\w/.test(text) && /\w$/.test(text);
}

/** Only what can be listed may be asked for with a trailing slash. */
function isFolder<E>(path: PathDeclaration<E>): boolean {
  return path.operations.list !== undefined || path.operations.scan !== undefined;
}

function emptyNode<E>(): Node<E> {
  return { literals: new Map(), rests: [] };
}

function matchRest<E>(
  rest: Rest<E>,
  parts: readonly string[],
  at: number,
  values: readonly string[],
  trailingSlash: boolean,
): PathMatch<E> | undefined {
  const end = parts.length - rest.suffix.length;
  if (end < at || (end === at && !rest.mayBeEmpty)) return undefined;
  if (rest.suffix.some((text, index) => parts[end + index] !== text)) return undefined;
  const captures = captured(rest.names, values);
  captures[rest.name] =
    parts.slice(at, end).join('/') + (trailingSlash && rest.suffix.length === 0 && end > at ? '/' : '');
  return { path: rest.path, captures };
}

function captured(names: readonly string[], values: readonly string[]): Record<string, string> {
  const captures = Object.create(null) as Record<string, string>;
  names.forEach((name, index) => {
    captures[name] = values[index] ?? '';
  });
  return captures;
}
