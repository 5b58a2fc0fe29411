import type { Acl, Decision, Route, TokenEntry } from '@coffer/core-api';
import type {
  Fields,
  FieldValues,
  Operation,
  OperationDeclaration,
  PathDeclaration,
  Request,
  RequestError,
  TokenAuth,
} from '@coffer/sdk';
import type { CoreServices } from './node-status.ts';

/** What the stages learn about one request on its way; each sets its own part and reads those before. */
export interface Run {
  readonly request: Request;
  /** Wall-clock milliseconds at the start. */
  readonly nowMs: number;
  services?: CoreServices;
  route?: Route;
  path?: PathDeclaration<unknown>;
  declared?: OperationDeclaration<unknown, Fields>;
  fields?: FieldValues<Fields>;
  /** Why the fields could not be typed; told to who may use the path. */
  mistyped?: RequestError;
  readonly warnings: string[];
  token?: TokenEntry;
  acl?: Acl;
  /** `create` told from `update`. */
  operation: Operation;
  decision?: Decision;
  /** The alias of a login that counts for lockout. */
  loginAlias?: string;
  auth?: TokenAuth;
  /** Work after the commit has begun: the node may have other services, or be sealed, when it is done. */
  afterCommit?: true;
}
