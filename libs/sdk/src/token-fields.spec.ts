import { coerceFields } from './coerce.ts';
import type { FieldValues } from './field.ts';
import { applyTokenFields, describeTokenParameters, olderNames, policyNames, tokenFields } from './token-fields.ts';

const sent = (data: Record<string, unknown>): FieldValues<typeof tokenFields> =>
  coerceFields(tokenFields, {}, data, false).values as FieldValues<typeof tokenFields>;

describe('applyTokenFields', () => {
  it('keeps what was not sent, and shows all as they are read', () => {
    const before = applyTokenFields(
      sent({
        token_policies: 'B, a,',
        token_ttl: '1h',
        token_bound_cidrs: ['10.0.0.0/8', '10.0.0.1/32', 'FD00::1/128'],
      }),
    );
    const after = applyTokenFields(sent({ token_max_ttl: '2h' }), before);
    expect(describeTokenParameters(after)).toMatchObject({
      token_policies: ['B', 'a'],
      token_ttl: 3600,
      token_max_ttl: 7200,
      token_bound_cidrs: ['10.0.0.0/8', '10.0.0.1', 'fd00::1'],
      token_type: 'default',
    });
    expect(applyTokenFields(sent({ token_policies: '' }), after).policies).toEqual([]);
  });

  it.each([
    [{ token_type: 'root' }, 'token_type'],
    [{ token_num_uses: -1 }, 'negative'],
    [{ token_ttl: '2h', token_max_ttl: '1h' }, 'cannot be greater'],
    [{ token_bound_cidrs: 'nonsense' }, 'token_bound_cidrs'],
    [{ token_type: 'batch', token_period: '1h' }, 'periodic'],
    [{ token_type: 'batch', token_num_uses: 1 }, 'limited use count'],
    [{ token_type: 'default-batch' }, 'invalid \'token_type\' value "default-batch"'],
    [{ token_strictly_bind_ip: true, token_bound_cidrs: '10.0.0.0/8' }, 'set only one'],
  ])('refuses %j', (data, text) => {
    expect(() => applyTokenFields(sent(data))).toThrow(text);
  });

  it('leaves the choice of the type to the mount again', () => {
    const batch = applyTokenFields(sent({ token_type: 'batch' }));
    expect(applyTokenFields(sent({}), batch).type).toBe('batch');
    expect(applyTokenFields(sent({ token_type: '' }), batch).type).toBe('default');
  });

  it('judges what was stored before and what is sent together', () => {
    const periodic = applyTokenFields(sent({ token_period: '1h' }));
    expect(() => applyTokenFields(sent({ token_type: 'batch' }), periodic)).toThrow('periodic');
  });
});

describe('olderNames', () => {
  const names = { policies: 'token_policies', ttl: 'token_ttl' };

  it('are those that were written last, until the newer name is written', () => {
    const first = olderNames({ policies: ['a'], ttl: 1 }, names);
    expect(first).toEqual(['policies', 'ttl']);
    expect(olderNames({}, names, first)).toEqual(first);
    expect(olderNames({ token_ttl: 2 }, names, first)).toEqual(['policies']);
    // Both at once: the newer one's value is shown under both.
    expect(olderNames({ policies: ['a'], token_policies: ['b'] }, names, ['ttl'])).toEqual(['policies', 'ttl']);
  });
});

describe('policyNames', () => {
  it('brings every spelling of a name to one', () => {
    const spellings = [
      'root',
      'ROOT',
      ' root',
      'root\t',
      'ro\u200bot',
      'root\u0000',
      '\uFF52oot',
      'Root\u2060',
      '\uFEFFroot',
      'ro\u00adot',
      '\u200b root',
    ];
    for (const spelling of spellings) expect([spelling, policyNames([spelling])]).toEqual([spelling, ['root']]);
    expect(policyNames(spellings)).toEqual(['root']);
    expect(policyNames(['b', 'a', '', ' ', 'B'])).toEqual(['a', 'b']);
  });

  it('changes nothing the second time', () => {
    const alphabet = [
      'r',
      'O',
      'o',
      't',
      ' ',
      '\t',
      '\u200b',
      '\u0000',
      '\uFF32',
      '\u0130',
      '\u212A',
      '\u00ad',
      'ß',
      '\u0345',
      '\u1E9E',
      '\u03A3',
      '\u2003',
      '\u3000',
      '/',
    ];
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 20_000; round++) {
      const name = Array.from({ length: 1 + next(7) }, () => alphabet[next(alphabet.length)]).join('');
      const once = policyNames([name]);
      expect([name, policyNames(once)]).toEqual([name, once]);
      for (const plain of once) expect(plain).not.toMatch(/^\s|\s$|[\p{Cc}\p{Cf}]/u);
    }
  });
});
