import { decrypt, decryptKey, generateKey, readMessage, readPrivateKey } from 'openpgp';
import { encryptFor, fingerprintOf } from './pgp.ts';

/** A key pair of a person, and how that person reads a message. */
async function makePerson(): Promise<{
  readonly armored: string;
  readonly base64: string;
  readonly fingerprint: string;
  read(sealed: Uint8Array): Promise<string>;
}> {
  const pair = await generateKey({ type: 'ecc', userIDs: [{ name: 'Holder' }], passphrase: 'p', format: 'object' });
  const privateKey = await decryptKey({
    privateKey: await readPrivateKey({ armoredKey: pair.privateKey.armor() }),
    passphrase: 'p',
  });
  return {
    armored: pair.publicKey.armor(),
    base64: Buffer.from(pair.publicKey.write()).toString('base64'),
    fingerprint: pair.publicKey.getFingerprint(),
    read: async (sealed) => {
      const message = await readMessage({ binaryMessage: sealed });
      return String((await decrypt({ message, decryptionKeys: privateKey })).data);
    },
  };
}

describe('encryption for PGP keys', () => {
  it('reaches the holder of the key, be it armoured or in base64', async () => {
    const person = await makePerson();
    for (const key of [person.armored, person.base64]) {
      const sealed = await encryptFor(key, 'the share');
      expect(Buffer.from(sealed).includes('the share')).toBe(false);
      expect(await person.read(sealed)).toBe('the share');
      expect(await fingerprintOf(key)).toBe(person.fingerprint);
    }
  });

  it.each(['', 'no key', 'AAAA', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----'])(
    'refuses what is no key: %j',
    async (key) => {
      await expect(encryptFor(key, 'x')).rejects.toMatchObject({ code: 'invalid-config' });
      await expect(fingerprintOf(key)).rejects.toMatchObject({ code: 'invalid-config' });
    },
  );

  it('refuses a private key: whoever sends one has made a mistake', async () => {
    const { privateKey } = await generateKey({ type: 'ecc', userIDs: [{ name: 'x' }], format: 'object' });
    await expect(encryptFor(privateKey.armor(), 'x')).rejects.toMatchObject({ code: 'invalid-config' });
  });
});
