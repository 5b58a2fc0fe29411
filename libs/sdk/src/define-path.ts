import { assert } from '@coffer/kernel';
import type { Fields } from './field.ts';
import type { OperationDeclaration, PathDeclaration, PathSpec, PathTraits } from './path.ts';
import type { Operation } from './request.ts';

const DECLARED: readonly Exclude<Operation, 'help' | 'head' | 'create'>[] = [
  'read',
  'update',
  'patch',
  'delete',
  'list',
  'scan',
];

/**
 * Declares a path. Write `fields` first, so that the compiler knows them in the handlers:
 *
 * @example
 *     export const codePath = definePath('code/:name', {
 *       fields: { name: field.name('Name of the key'), code: field.string('Code to check') },
 *       help: { synopsis: 'Makes and checks codes.' },
 *       read: { summary: 'A code for the key', handler: (engine: Totp, { name }, { view }) => engine.generate(view, name) },
 *     });
 *
 * @throws AssertionFailure for a pattern or help text that is not well-formed: at start, not when serving
 */
export function definePath<E, const F extends Fields>(pattern: string, spec: PathSpec<E, F>): PathDeclaration<E> {
  assert(spec.help.synopsis !== '', `path ${pattern} has a synopsis`);
  const operations: Partial<Record<Operation, OperationDeclaration<E, Fields>>> = {};
  for (const operation of DECLARED) {
    const declared = spec[operation];
    // The handler's precise field types are checked where it is declared; the table forgets them.
    if (declared) operations[operation] = declared as unknown as OperationDeclaration<E, Fields>;
  }
  const { fields, help, exists } = spec;
  const traits: PathTraits = spec;
  return Object.freeze({
    ...pickTraits(traits),
    pattern,
    fields,
    help,
    operations: Object.freeze(operations),
    ...(exists ? { exists: exists as unknown as NonNullable<PathDeclaration<E>['exists']> } : {}),
  });
}

/** All of them: the compiler refuses a trait that is missing here. */
const TRAITS: Readonly<Record<keyof PathTraits, true>> = {
  unauthenticated: true,
  openedBy: true,
  sudo: true,
  whileSealed: true,
  doneWhileSealed: true,
  login: true,
  rawBody: true,
  streamedBody: true,
  neverWrapped: true,
  answeredUnrecorded: true,
  spendsNoUse: true,
  arbitraryFields: true,
  auditPublicFields: true,
  hidden: true,
  rootNamespaceOnly: true,
};

function pickTraits(spec: PathTraits): PathTraits {
  const names = Object.keys(TRAITS) as (keyof PathTraits)[];
  return Object.fromEntries(names.flatMap((name) => (spec[name] === undefined ? [] : [[name, spec[name]]])));
}
