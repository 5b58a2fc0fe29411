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

  it('wants what is required', () => {
    const rule = permission('required_parameters = ["Owner"]');
    expect(passes(rule, { OWNER: '' })).toBe(true);
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
