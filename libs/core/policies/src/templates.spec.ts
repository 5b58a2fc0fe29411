import type { EntityView } from '@coffer/sdk';
import { parsePolicy } from './parse-policy.ts';
import { fillTemplates, hasTemplates } from './templates.ts';

const entity = (name: string, more: Partial<EntityView> = {}): EntityView => ({
  id: 'e-1',
  name,
  metadata: { team: name, 'a.b': 'dotted' },
  aliases: [{ mountAccessor: 'auth_userpass_1', name, metadata: { env: 'prod' } }],
  groups: [{ id: 'g-1', name: 'devs' }],
  policies: [],
  ...more,
});

const rulesFor = (path: string) => parsePolicy('p', `path "${path}" { capabilities = ["read"] }`).rules;
const filled = (path: string, view: EntityView | undefined, allowed = {}): readonly string[] =>
  fillTemplates(rulesFor(path), view, allowed).map((rule) => rule.path);

describe('fillTemplates', () => {
  it('fills names, ids, metadata, aliases and groups', () => {
    const ann = entity('ann');
    const shown = [
      'identity.entity.id',
      'identity.entity.name',
      'identity.entity.metadata.team',
      'identity.entity.metadata.a.b',
      'identity.entity.aliases.auth_userpass_1.name',
      'identity.entity.aliases.auth_userpass_1.metadata.env',
      'identity.groups.ids.g-1.name',
      'identity.groups.names.devs.id',
    ].flatMap((expression) => filled(`s/{{ ${expression} }}/*`, ann));
    expect(shown).toEqual(['e-1', 'ann', 'ann', 'dotted', 'ann', 'prod', 'devs', 'g-1'].map((value) => `s/${value}/*`));
  });

  it('drops a rule whose value would widen it', () => {
    const widening = [
      '',
      '/',
      'a/b',
      '*',
      'a*',
      '+',
      'a+',
      '.',
      '..',
      'a\n',
      '\r\n',
      'a\u0000',
      '\u2028',
      '\u200b',
      '\u202e',
      '{{identity.entity.id}}',
      '}}',
      String.raw`a\b`,
    ];
    for (const value of widening)
      for (const path of [
        's/{{identity.entity.name}}',
        's/{{identity.entity.metadata.team}}/x',
        's/x{{identity.entity.name}}',
      ])
        expect([value, filled(path, entity(value))]).toEqual([value, []]);
  });

  it('never lets a value hold a step up or nothing, even where slashes and wildcards are let in', () => {
    const allowed = { slashes: true, wildcards: true };
    expect(filled('s/{{identity.entity.name}}', entity('a/b'), allowed)).toEqual(['s/a/b']);
    expect(filled('s/{{identity.entity.name}}', entity('a*'), allowed)).toEqual(['s/a*']);
    for (const value of ['../b', 'a//b', '/a', 'a/', './a', 'a/..', 'a\nb'])
      expect([value, filled('s/{{identity.entity.name}}', entity(value), allowed)]).toEqual([value, []]);
    expect(filled('s/{{identity.entity.name}}', entity('a*'), { slashes: true })).toEqual([]);
    expect(filled('s/{{identity.entity.name}}', entity('a/b'), { wildcards: true })).toEqual([]);
  });

  it('drops rules of callers without an entity and of expressions it does not know', () => {
    expect(filled('s/{{identity.entity.name}}', undefined)).toEqual([]);
    for (const expression of [
      '',
      'identity',
      'identity.entity',
      'identity.entity.metadata.constructor',
      'identity.entity.metadata.__proto__',
      'identity.entity.aliases.other.name',
      'identity.groups.names.ops.id',
      'identity.groups.ids.g-1.policies',
      'time.now',
    ])
      expect([expression, filled(`s/{{${expression}}}`, entity('ann'))]).toEqual([expression, []]);
  });

  it('keeps the other rules of a policy', () => {
    const { rules } = parsePolicy(
      'p',
      'path "a" { capabilities = ["read"] }\npath "s/{{identity.entity.name}}" { capabilities = ["read"] }',
    );
    expect(hasTemplates(rules)).toBe(true);
    expect(fillTemplates(rules, entity('*')).map((rule) => rule.path)).toEqual(['a']);
  });
});
