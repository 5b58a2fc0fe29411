export * from './diagnose/diagnose-config.ts';
export type { Finding } from './diagnose/finding.ts';
export * from './hcl/ast.ts';
export * from './hcl/parser.ts';
export * from './server-config/load-migrate-config.ts';
export * from './server-config/load-server-config.ts';
export { redundancyZoneError, upgradeVersionError } from './server-config/read-autopilot.ts';
export type { ConfigNote } from './server-config/reader.ts';
export * from './server-config/server-config.ts';
