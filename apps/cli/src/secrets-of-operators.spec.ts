import { TypedLine } from './ask-hidden.ts';
import { decodeRootToken } from './commands/operator-shares.ts';
import { keyInBase64 } from './pgp-keys.ts';

describe('a line typed at a terminal', () => {
  it('takes pasted text, erases characters and lines, and leaves out control characters', () => {
    const line = new TypedLine();
    expect(line.type('wrong\u0015pä😀\u007fss\u0001')).toBe('more');
    expect(line.type('\r')).toBe('done');
    expect(line.text).toBe('päss');
  });

  it('can be given up', () => {
    expect(new TypedLine().type('abc\u0003')).toBe('interrupted');
    expect(new TypedLine().type('\u0004')).toBe('interrupted');
  });
});

describe('decoding a root token', () => {
  const token = 'hvs.ExampleToken';
  const otp = 'abcdefghijklmnop';
  const encoded = Buffer.from([...token].map((char, at) => char.charCodeAt(0) ^ otp.charCodeAt(at))).toString('base64');

  it('undoes the one-time password, with and without padding', () => {
    expect(decodeRootToken(encoded, otp)).toBe(token);
    expect(decodeRootToken(encoded.replaceAll('=', ''), otp)).toBe(token);
  });

  it('refuses what does not fit, and does not repeat it', () => {
    expect(() => decodeRootToken(encoded, 'short')).toThrow('16 bytes, the OTP has 5');
    expect(() => decodeRootToken('not base64!', otp)).toThrow('Error decoding root token');
  });
});

describe('PGP keys', () => {
  const bytes = Buffer.from([0x99, 1, 2, 3, 250, 251]);
  it('reads binary, base64 and armour', () => {
    const base64 = bytes.toString('base64');
    const armour = `-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n${base64}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n`;
    expect(keyInBase64(bytes, 'f')).toBe(base64);
    expect(keyInBase64(Buffer.from(`${base64}\n`), 'f')).toBe(base64);
    expect(keyInBase64(Buffer.from(armour), 'f')).toBe(base64);
  });

  it('refuses armour that is cut off', () => {
    expect(() => keyInBase64(Buffer.from('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA'), 'f')).toThrow(
      'no whole armoured key',
    );
  });
});
