/** What a peer sent breaks the rules of the cluster port: its connection ends. The message carries no data of theirs. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}
