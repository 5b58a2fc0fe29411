import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { RequestError, badRequest } from '@coffer/sdk';
import type { MountContext, ReadableView, StorageView } from '@coffer/sdk';
import { roleIds, roleKey, roles, secretIdAccessors, secretIds } from './role.ts';
import type { Role, SecretId } from './role.ts';

/** A mount of the method: what its paths share. */
export class AppRole {
  readonly mount: MountContext;
  readonly #key: KeyObject;

  constructor(mount: MountContext) {
    this.mount = mount;
    this.#key = createSecretKey(mount.derive('approle-ids', 32));
  }

  /** Role ids and secret ids are stored under their HMACs. */
  hash(kind: 'role-id' | 'secret-id', text: string): string {
    return createHmac('sha256', this.#key).update(`${kind}\0${text}`).digest('hex');
  }

  /** @throws RequestError 404 */
  async knownRole(view: ReadableView, name: string): Promise<Role> {
    const role = await roles.get(view, roleKey(name));
    if (!role) throw new RequestError('not-found', `role "${name}" does not exist`);
    return role;
  }

  /** @throws RequestError for a role id of another role, and for a role that would let in whoever knows its id */
  async putRole(view: StorageView, role: Role, before: Role | undefined): Promise<void> {
    if (!role.bindSecretId && !role.secretIdBoundCidrs?.length && role.parameters.boundCidrs.length === 0)
      throw badRequest('at least one constraint should be enabled on the role');
    const owner = await roleIds.get(view, this.hash('role-id', role.roleId));
    if (owner !== undefined && owner !== roleKey(role.name)) throw badRequest('role_id already in use');
    if (before && before.roleId !== role.roleId) roleIds.delete(view, this.hash('role-id', before.roleId));
    roleIds.put(view, this.hash('role-id', role.roleId), roleKey(role.name));
    roles.put(view, roleKey(role.name), role);
  }

  async roleById(view: ReadableView, roleId: string): Promise<Role | undefined> {
    const name = await roleIds.get(view, this.hash('role-id', roleId));
    return name === undefined ? undefined : roles.get(view, name);
  }

  secretIdName(role: Role, secretId: string): string {
    return `${role.secretIdSalt}/${this.hash('secret-id', secretId)}`;
  }

  async secretId(view: ReadableView, role: Role, secretId: string): Promise<SecretId | undefined> {
    const found = await secretIds.get(view, this.secretIdName(role, secretId));
    return found && !this.hasEnded(found) ? found : undefined;
  }

  /** By an accessor of this very role. */
  async byAccessor(
    view: ReadableView,
    role: Role,
    accessor: string,
  ): Promise<{ readonly name: string; readonly secretId: SecretId } | undefined> {
    if (accessor.includes('/')) return undefined;
    const hash = await secretIdAccessors.get(view, `${role.secretIdSalt}/${accessor}`);
    if (hash === undefined) return undefined;
    const name = `${role.secretIdSalt}/${hash}`;
    const secretId = await secretIds.get(view, name);
    return secretId && !this.hasEnded(secretId) ? { name, secretId } : undefined;
  }

  hasEnded(secretId: SecretId): boolean {
    return secretId.expiresMs > 0 && secretId.expiresMs <= this.mount.clock.nowMs();
  }

  /** @throws RequestError where it is registered already */
  async register(view: StorageView, role: Role, text: string, secretId: SecretId): Promise<void> {
    const name = this.secretIdName(role, text);
    const before = await secretIds.get(view, name);
    if (before && !this.hasEnded(before)) throw badRequest('failed to store secret_id: SecretID is already registered');
    secretIds.put(view, name, secretId);
    secretIdAccessors.put(view, `${role.secretIdSalt}/${secretId.accessor}`, this.hash('secret-id', text));
  }

  destroy(view: StorageView, name: string, secretId: SecretId): void {
    const salt = name.slice(0, name.indexOf('/'));
    secretIds.delete(view, name);
    secretIdAccessors.delete(view, `${salt}/${secretId.accessor}`);
  }

  /** A role with all its secret ids. */
  async deleteRole(view: StorageView, role: Role): Promise<void> {
    for (const hash of await secretIds.list(view, `${role.secretIdSalt}/`)) {
      const name = `${role.secretIdSalt}/${hash}`;
      const secretId = await secretIds.get(view, name);
      if (secretId) this.destroy(view, name, secretId);
    }
    roleIds.delete(view, this.hash('role-id', role.roleId));
    roles.delete(view, roleKey(role.name));
  }

  /** Deletes secret ids that have ended, some at a time. */
  async tidy(): Promise<void> {
    const { view } = this.mount;
    for (const salt of await secretIds.list(view)) {
      const names = (await secretIds.list(view, salt)).map((hash) => salt + hash);
      for (let at = 0; at < names.length; at += 100) {
        this.mount.signal.throwIfAborted();
        await this.mount.transact(async (own) => {
          for (const name of names.slice(at, at + 100)) {
            const secretId = await secretIds.get(own, name);
            if (secretId && this.hasEnded(secretId)) this.destroy(own, name, secretId);
          }
        });
      }
    }
  }
}
