/** Our own version. */
export const COFFER_VERSION = '0.1.0';
/** The form of what nodes keep and send each other. A program refuses data of a later one: see `guardVersion`. */
export const DATA_FORMAT = 1;
/** The level of Vault's API that is spoken; clients choose features by it. */
export const API_VERSION = '1.21.0';
/** As `sys/health` and `sys/seal-status` tell it: semantic versioning with our own as build metadata. */
export const VERSION = `${API_VERSION}+coffer.${COFFER_VERSION}`;
/** When this version was made; RFC 3339. */
export const BUILD_DATE = '2026-11-24T00:00:00Z';
