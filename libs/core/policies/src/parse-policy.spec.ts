import { parsePolicy } from './parse-policy.ts';

const messageOf = (text: string): string => {
  try {
    parsePolicy('p', text);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : 'no error';
  }
  return 'accepted';
};

const HCL = `
# comment
path "/secret/app" {
  capabilities = ["read", "list"]
  allowed_parameters = { "Key" = ["a*", 5], "*" = [] }
  denied_parameters = { "bad" = [] }
  required_parameters = ["Owner"]
  min_wrapping_ttl = "90s"
  max_wrapping_ttl = 3600
}
`;

describe('parsePolicy', () => {
  it('reads HCL and the same in JSON', () => {
    const json = JSON.stringify({
      path: {
        '/secret/app': {
          capabilities: ['read', 'list'],
          allowed_parameters: { Key: ['a*', 5], '*': [] },
          denied_parameters: { bad: [] },
          required_parameters: ['Owner'],
          min_wrapping_ttl: '90s',
          max_wrapping_ttl: 3600,
        },
      },
    });
    for (const text of [HCL, json])
      expect(parsePolicy('p', text)).toEqual({
        name: 'p',
        rules: [
          {
            path: 'secret/app',
            capabilities: new Set(['read', 'list']),
            allowedParameters: new Map<string, unknown[]>([
              ['key', ['a*', 5]],
              ['*', []],
            ]),
            deniedParameters: new Map([['bad', []]]),
            requiredParameters: ['owner'],
            minWrappingTtlSeconds: 90,
            maxWrappingTtlSeconds: 3600,
          },
        ],
      });
  });

  it('reads the older form, and lets deny stand alone', () => {
    const capabilities = (text: string): readonly string[] =>
      [...(parsePolicy('p', text).rules[0]?.capabilities ?? [])].sort();
    expect(capabilities('path "a" { policy = "write" }')).toEqual(['create', 'delete', 'list', 'read', 'update']);
    expect(capabilities('path "a" { policy = "read" }')).toEqual(['list', 'read']);
    expect(capabilities('path "a" { policy = "sudo" }')).toContain('sudo');
    expect(capabilities('path "a" { policy = "deny" capabilities = ["read"] }')).toEqual(['deny']);
    expect(capabilities('path "a" { capabilities = ["read", "deny", "sudo"] }')).toEqual(['deny']);
    expect(capabilities('path "a" {}')).toEqual([]);
  });

  it('reads several blocks, of one path too, in JSON as a list', () => {
    expect(parsePolicy('p', 'path "a" { policy = "read" }\npath "a" { policy = "deny" }').rules).toHaveLength(2);
    expect(
      parsePolicy('p', '{"path":[{"a":{"policy":"read"}},{"b":{"policy":"read"}}]}').rules.map((rule) => rule.path),
    ).toEqual(['a', 'b']);
    expect(parsePolicy('p', '').rules).toEqual([]);
  });

  it.each([
    ['path "a" { capabilities = ["fly"] }', 'policy:1:27: path "a": invalid capability "fly"'],
    ['path "a" { policy = "admin" }', 'path "a": invalid policy: expected deny, read, write or sudo'],
    ['path "a" { policy = "constructor" }', 'invalid policy'],
    ['path "a" { capability = ["read"] }', 'policy:1:12: path "a": invalid key "capability"'],
    // Restrictions that nothing enforces: to take them would grant more than was meant.
    ...['control_group', 'mfa_methods', 'pagination_limit', 'response_keys_filter_path'].map(
      (key): [string, string] => [
        `path "a" { ${key} = 5 }`,
        `policy:1:12: path "a": "${key}" is not enforced here: leave it out`,
      ],
    ),
    ['paths "a" {}', 'policy:1:1: invalid key "paths": expected path'],
    ['path "a/+*" {}', "invalid use of wildcards ('+*' is forbidden)"],
    ['path "a/{{identity.entity.id" {}', 'unbalanced templating characters'],
    ['path "a/}}{{" {}', 'unbalanced templating characters'],
    ['path "a" { capabilities = [5] }', 'capabilities: expected strings'],
    [
      'path "a" { min_wrapping_ttl = "1h" max_wrapping_ttl = "1m" }',
      'max_wrapping_ttl cannot be less than min_wrapping_ttl',
    ],
    ['path "a" { min_wrapping_ttl = "soon" }', 'min_wrapping_ttl: expected a duration'],
    ['path "a" { max_wrapping_ttl = "-1s" }', 'max_wrapping_ttl: expected a duration'],
    ['path "a" { expiration = "tomorrow" }', 'expiration: expected a time in RFC 3339'],
    ['path "a" { allowed_parameters = { x = 1 } }', 'parameter "x": expected a list of values'],
    ['path = "a"', 'expected a block'],
    ['path "a" {', 'policy:1:11: expected a name, found the end'],
    ['{"path": {"a": 5}}', 'expected a map of rules'],
    ['{"path": {"a": {}}', 'policy:1:19'],
    ['not a policy', 'policy:1:13'],
  ])('says what is wrong with %s', (text, message) => {
    const found = messageOf(text);
    expect(found).toContain('RequestError: failed to parse policy: policy:');
    expect(found).toContain(message);
  });
});
