import bcrypt from 'bcrypt';
import { badRequest } from '@coffer/sdk';

/** bcrypt's work factor, as Vault's default. */
const COST = 10;
/** Some seconds a login. Each more doubles that. */
const COST_MAX = 16;
/** bcrypt ignores what is longer; refusing it is better than accepting any password that begins alike. */
const PASSWORD_BYTES_MAX = 72;

/**
 * Hashed when no user is found, so that unknown names take as long as wrong passwords (CVE-2025-6011). A hash of
 * nothing that anybody knows.
 */
const NOBODY = '$2b$10$9DpDwrPqcWqTqpL3y9Df3uhh1s/WpDt.tNh8C.b/7iqgUPPTsZdKm';

/** Off the loop: bcrypt runs on libuv's threads. @throws RequestError for a password that bcrypt would cut */
export function hashPassword(password: string): Promise<string> {
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw badRequest(`password is longer than ${String(PASSWORD_BYTES_MAX)} bytes, which bcrypt cannot hash`);
  }
  return bcrypt.hash(password, COST);
}

/** The same time whether there is such a user or not. */
export async function passwordMatches(password: string, hash: string | undefined): Promise<boolean> {
  const matches = await bcrypt.compare(password, hash ?? NOBODY);
  // Of a longer one bcrypt has compared the beginning only.
  return matches && hash !== undefined && Buffer.byteLength(password) <= PASSWORD_BYTES_MAX;
}

/**
 * A hash made elsewhere.
 *
 * @throws RequestError for one that is no bcrypt hash, or so costly that a few logins would keep all threads busy for hours
 */
export function checkPasswordHash(hash: string): string {
  const [, cost] = /^\$2[abxy]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (cost === undefined) throw badRequest("'password_hash' must be a bcrypt hash");
  if (Number(cost) > COST_MAX) throw badRequest(`'password_hash' must have a cost of at most ${String(COST_MAX)}`);
  return hash;
}
