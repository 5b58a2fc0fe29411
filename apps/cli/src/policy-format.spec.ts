import { ConfigError } from '@coffer/config';
import { formatPolicy } from './policy-format.ts';

const format = (text: string): string => formatPolicy(text, 'p.hcl');

const UGLY = `path "secret/*" {capabilities=["read","list"]}
# a comment
path "sys/*" { # trailing
capabilities = ["sudo"]   // why
 allowed_parameters = {
"a" = []
 "bcd"=["x"]
}
min_wrapping_ttl="1s"
}
/* block
 comment */
path "x" {
  capabilities = [
 "read", # r
   "list"
]
# last words
}
`;
const PRETTY = `path "secret/*" {
  capabilities = ["read", "list"]
}

# a comment
path "sys/*" {
  # trailing
  capabilities = ["sudo"] // why

  allowed_parameters = {
    "a"   = []
    "bcd" = ["x"]
  }

  min_wrapping_ttl = "1s"
}

/* block
 comment */
path "x" {
  capabilities = [
    "read", # r
    "list",
  ]

  # last words
}
`;

describe('policy fmt', () => {
  it('lays out what it is given, and keeps every comment', () => {
    expect(format(UGLY)).toBe(PRETTY);
  });

  it('leaves what is laid out already', () => {
    expect(format(PRETTY)).toBe(PRETTY);
  });

  it('keeps comments that stand apart, signs inside of texts, and heredocs', () => {
    const text = `# a licence

# of this path
path "a#b/{{identity.entity.id}}//c" {
  comment = "say \\"{[=\\" # no comment"

  text = <<EOT
# not a comment
  }
EOT
}
`;
    expect(format(text)).toBe(text);
  });

  it('takes an empty file, and one of comments alone', () => {
    expect(format('')).toBe('');
    expect(format('  # only this  \n')).toBe('# only this\n');
  });

  it.each(['path "a {', 'path "a" {', 'path "a" { capabilities = [ }', '/* open', '= 1'])('refuses %j', (text) => {
    expect(() => format(text)).toThrow(ConfigError);
  });
});
