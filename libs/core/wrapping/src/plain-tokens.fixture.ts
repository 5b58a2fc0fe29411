import { Secret } from '@coffer/kernel';
import type { CreatedToken, NewToken, TokenEntry } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A token store for specs: tokens are kept under their own texts. */
export function plainTokens() {
  let count = 0;
  return {
    create(tx: Transaction, token: NewToken): CreatedToken {
      const text = `hvs.${String((count += 1))}`;
      const entry = { ...token, saltedId: text, accessor: `a${text}` } as unknown as TokenEntry;
      tx.put(`token/${text}`, encoder.encode(JSON.stringify(entry)));
      return { token: new Secret(text), entry };
    },
    saltedIdOf: (token: Secret<string>) => token.reveal(),
    inTransaction: (tx: Transaction, id: string) =>
      tx.getParsed(`token/${id}`, (bytes) => JSON.parse(decoder.decode(bytes)) as TokenEntry),
    consume: (tx: Transaction, entry: TokenEntry) => tx.delete(`token/${entry.saltedId}`),
  };
}
