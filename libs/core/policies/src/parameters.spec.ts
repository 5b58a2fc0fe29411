import { matchesGlob, parameterFault } from './parameters.ts';
import { parsePolicy } from './parse-policy.ts';
import { addRule } from './rule.ts';
import type { Permission } from './rule.ts';

function permission(...bodies: string[]): Permission {
  let made: Permission | undefined;
  for (const [index, body] of bodies.entries())
    for (const rule of parsePolicy('p', `path "a" { capabilities = ["update"] ${body} }`).rules)
      made = addRule(made, rule, `p${String(index)}`);
  if (!made) throw new Error('a rule is needed');
  return made;
}

const passes = (rule: Permission, data: Record<string, unknown>): boolean => parameterFault(rule, data) === undefined;

describe('parameterFault', () => {
  it('allows only what is allowed, without regard to case', () => {
    const rule = permission('allowed_parameters = { "name" = [], "zip" = ["1*", 5] }');
    expect(passes(rule, {})).toBe(true);
    expect(passes(rule, { NAME: 'x', Zip: '12' })).toBe(true);
    expect(passes(rule, { zip: 5 })).toBe(true);
    expect(passes(rule, { zip: '21' })).toBe(false);
    expect(passes(rule, { zip: '5' })).toBe(false);
    expect(passes(rule, { other: 1 })).toBe(false);
    expect(passes(rule, JSON.parse('{"__proto__": 1}') as Record<string, unknown>)).toBe(false);
  });

  it('lets * stand for all other parameters', () => {
    const rule = permission('allowed_parameters = { "*" = [], "env" = ["dev"] }');
    expect(passes(rule, { anything: [1], env: 'dev' })).toBe(true);
    expect(passes(rule, { env: 'prod' })).toBe(false);
  });

  it('denies before it allows', () => {
    const rule = permission('allowed_parameters = { "*" = [] } denied_parameters = { "force" = [true], "root" = [] }');
    expect(passes(rule, { force: false })).toBe(true);
    expect(passes(rule, { force: true })).toBe(false);
    expect(passes(rule, { ROOT: null })).toBe(false);
    expect(passes(permission('denied_parameters = { "*" = [] }'), { a: 1 })).toBe(false);
    expect(passes(permission('denied_parameters = { "*" = [] }'), {})).toBe(true);
  });

  it('judges each spelling of a name that was sent, in whatever order', () => {
    const rule = permission('denied_parameters = { "policies" = ["root"] }');
    expect(passes(rule, { policies: 'root', Policies: 'x' })).toBe(false);
    expect(passes(rule, { POLICIES: 'x', policies: 'root' })).toBe(false);
    expect(passes(rule, { policies: 'x', Policies: 'root' })).toBe(false);
    const only = permission('allowed_parameters = { "policies" = ["dev"] }');
    expect(passes(only, { policies: 'root', POLICIES: 'dev' })).toBe(false);
    expect(passes(only, { POLICIES: 'dev', policies: 'dev' })).toBe(true);
  });

  it('denies a value in any form that handlers take for it', () => {
    const rule = permission('denied_parameters = { "n" = [5], "force" = [true], "policies" = ["root", "adm*"] }');
    const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
    for (const n of [5, '5', rawJson('5.0'), rawJson('5e0'), [5]]) expect([n, passes(rule, { n })]).toEqual([n, false]);
    for (const force of [true, 'true', ['true']]) expect([force, passes(rule, { force })]).toEqual([force, false]);
    for (const policies of [['a', 'root'], [['root']], ['admin']])
      expect([policies, passes(rule, { policies })]).toEqual([policies, false]);
    expect(passes(rule, { n: '50', force: 'false', policies: ['a'] })).toBe(true);
  });

  it('wants what is required by the name that handlers know', () => {
    const rule = permission('required_parameters = ["ttl"]');
    expect(passes(rule, { ttl: null })).toBe(true);
    for (const name of ['TTL', 'Ttl', ' ttl']) expect(passes(rule, { [name]: 1 })).toBe(false);
    expect(passes(permission('required_parameters = ["toString"]'), {})).toBe(false);
  });

  it('wants what is required', () => {
    const rule = permission('required_parameters = ["Owner"]');
    expect(passes(rule, { owner: '' })).toBe(true);
    expect(parameterFault(rule, {})).toBe('the parameter "owner" is required');
  });

  it('adds up what several policies say', () => {
    const both = permission('allowed_parameters = { "a" = ["1"] }', 'allowed_parameters = { "a" = ["2"], "b" = [] }');
    expect(passes(both, { a: '1', b: 'x' })).toBe(true);
    expect(passes(both, { a: '3' })).toBe(false);
    expect(
      passes(permission('allowed_parameters = { "a" = ["1"] }', 'allowed_parameters = { "a" = [] }'), { a: '3' }),
    ).toBe(true);
    expect(passes(permission('denied_parameters = { "a" = [] }', ''), { a: 1 })).toBe(false);
    expect(passes(permission('required_parameters = ["a"]', 'required_parameters = ["b"]'), { a: 1 })).toBe(false);
  });
});

describe('matchesGlob', () => {
  it.each([
    ['abc', 'abc', true],
    ['abc', 'a*', true],
    ['abc', '*c', true],
    ['abc', '*b*', true],
    ['abc', '*', true],
    ['', '*', true],
    ['abc', 'b*', false],
    ['ab', 'ab*b', false],
    ['abc', 'a*b', false],
    ['a.c', 'a?c', false],
  ])('%s by %s: %s', (text, glob, want) => {
    expect(matchesGlob(text, glob)).toBe(want);
  });

  it('takes no long time for many stars', () => {
    expect(matchesGlob('a'.repeat(20_000), `${'*a'.repeat(2000)}*b`)).toBe(false);
  });
});
