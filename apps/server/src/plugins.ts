import { AppRoleModule } from '@coffer/auth-approle';
import { UserpassModule } from '@coffer/auth-userpass';
import { FileAuditModule } from '@coffer/audit-file';
import { CubbyholeModule } from '@coffer/engine-cubbyhole';
import { KvModule } from '@coffer/engine-kv';

/**
 * All secrets engines, auth methods and audit devices of this program: the one list that the registry is filled from.
 * A module of another package is added in the same way.
 */
export const PLUGIN_MODULES = [KvModule, CubbyholeModule, UserpassModule, AppRoleModule, FileAuditModule];
