import type { Response, TokenAuth } from '@coffer/sdk';
import type { RequestError } from '@coffer/sdk';

/** What became of a request. */
export type Outcome =
  | {
      readonly kind: 'answered';
      readonly response: Response | undefined;
      readonly auth?: TokenAuth;
      readonly warnings: readonly string[];
      readonly mountType: string;
    }
  | { readonly kind: 'failed'; readonly error: RequestError }
  /** The active node's own answer. */
  | { readonly kind: 'relayed'; readonly rendered: Rendered };

/** An answer, ready to be sent by any protocol. */
export interface Rendered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
}
