import { collection } from '@coffer/sdk';
import type { TokenParameters } from '@coffer/sdk';

/** A role, stored under the lower-cased name. Durations in seconds. */
export interface Role {
  readonly name: string;
  readonly roleId: string;
  /** Whether a login needs a secret id. */
  readonly bindSecretId: boolean;
  readonly localSecretIds: boolean;
  readonly secretIdBoundCidrs: readonly string[] | null;
  /** 0: without limit. */
  readonly secretIdNumUses: number;
  readonly secretIdTtlSeconds: number;
  readonly parameters: TokenParameters;
  /** See `olderNames`. */
  readonly older?: readonly string[];
  /** Names the secret ids of this role; a role made anew under the same name has another. */
  readonly secretIdSalt: string;
}

/** A secret id, stored under its HMAC below the role's salt, never in clear. Times in milliseconds since 1970. */
export interface SecretId {
  readonly accessor: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** 0: never. */
  readonly expiresMs: number;
  readonly ttlSeconds: number;
  /** 0: without limit. */
  readonly numUses: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cidrList: readonly string[];
  readonly tokenBoundCidrs: readonly string[];
}

export const roles = collection<Role>('role/');
/** Names of roles by HMAC of the role id. */
export const roleIds = collection<string>('role-id/');
/** `<role's salt>/<HMAC>` → the secret id. */
export const secretIds = collection<SecretId>('secret-id/');
/** `<role's salt>/<accessor>` → the HMAC: an accessor is good for its own role only (CVE-2023-24999). */
export const secretIdAccessors = collection<string>('accessor/');

export const roleKey = (name: string): string => name.toLowerCase();
