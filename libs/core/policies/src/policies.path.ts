import { badRequest, definePath, field, listResponse, pageFields, pageOf } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { StoredPolicy } from '@coffer/core-api';
import { IMMUTABLE } from './built-in-policies.ts';
import type { PolicyService, PolicyWrite } from './policy-service.ts';

const policyFields = {
  name: field.name('Name of the policy.'),
  policy: field.string('The rules, in HCL or JSON, also in base64.'),
  rules: field.string('The rules, under an older name.', { deprecated: true }),
  cas: field.int('The version that must be the current one; -1 or 0: there must be none.'),
  cas_required: field.bool('Whether later writes must name the current version.'),
  allow_slashes_in_identity_templates: field.bool('Let the values of templates hold slashes.'),
  allow_wildcards_in_identity_templates: field.bool('Let the values of templates hold wildcards.'),
  ttl: field.duration('How long the policy lives.'),
  expiration: field.time('When the policy ends.'),
};

function describe(policy: StoredPolicy, textName: 'policy' | 'rules'): Record<string, unknown> {
  return {
    allow_slashes_in_identity_templates: policy.allowSlashes ?? false,
    allow_wildcards_in_identity_templates: policy.allowWildcards ?? false,
    cas_required: policy.casRequired,
    ...(policy.expiresMs === 0 ? {} : { expiration: new Date(policy.expiresMs).toISOString() }),
    ...(policy.modifiedMs === 0 ? {} : { modified: new Date(policy.modifiedMs).toISOString() }),
    name: policy.name,
    [textName]: policy.text,
    version: policy.version,
  };
}

const ROOT: StoredPolicy = {
  name: 'root',
  namespaceId: 'root',
  text: '',
  version: 0,
  casRequired: false,
  expiresMs: 0,
  modifiedMs: 0,
};

/** A policy may come in base64, so that shells do not have to quote it. */
function decoded(text: string): string {
  const packed = text.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(packed) || packed.length % 4 !== 0) return text;
  return Buffer.from(packed, 'base64').toString('utf8');
}

/** `sys/policies/acl`, and the older `sys/policy`. */
export function policyPaths(policies: () => PolicyService): readonly PathDeclaration<unknown>[] {
  const read = async (
    context: RequestContext,
    name: string,
    textName: 'policy' | 'rules',
  ): Promise<Response | undefined> => {
    const { namespace } = context.request;
    const policy =
      name.toLowerCase() === 'root' && namespace.id === 'root' ? ROOT : await policies().get(namespace, name);
    return policy && { data: describe(policy, textName) };
  };
  const write = async (
    context: RequestContext,
    name: string,
    sent: { readonly text: string | undefined } & Omit<PolicyWrite, 'text'>,
  ): Promise<void> => {
    const lower = name.toLowerCase();
    if (IMMUTABLE.has(lower)) throw badRequest(`cannot update "${lower}" policy`);
    if (!sent.text) throw badRequest("'policy' parameter not supplied or empty");
    if (lower !== name) context.warn(`Policy name was converted to "${lower}"`);
    await policies().write(coreContext(context).transaction, context.request.namespace, lower, {
      ...sent,
      text: decoded(sent.text),
    });
  };
  const below = async ({ request }: RequestContext, name: string): Promise<readonly string[]> => {
    const prefix = name.endsWith('/') ? name : `${name}/`;
    return (await policies().list(request.namespace)).filter((key) => key.startsWith(prefix));
  };
  const remove = (context: RequestContext, name: string): undefined => {
    policies().delete(coreContext(context).transaction, context.request.namespace, name.toLowerCase());
  };
  const limits = (
    fields: {
      readonly cas: number | undefined;
      readonly cas_required: boolean | undefined;
      readonly allow_slashes_in_identity_templates: boolean | undefined;
      readonly allow_wildcards_in_identity_templates: boolean | undefined;
      readonly ttl: number | undefined;
      readonly expiration: number | undefined;
    },
    nowMs: number,
  ): Omit<PolicyWrite, 'text'> => {
    const expiresMs = fields.expiration ?? (fields.ttl ? nowMs + fields.ttl * 1000 : undefined);
    return {
      ...(fields.cas === undefined ? {} : { cas: fields.cas }),
      ...(fields.cas_required === undefined ? {} : { casRequired: fields.cas_required }),
      allowSlashes: fields.allow_slashes_in_identity_templates ?? false,
      allowWildcards: fields.allow_wildcards_in_identity_templates ?? false,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    };
  };
  return [
    definePath('policies/acl', {
      fields: pageFields,
      help: { synopsis: 'Lists the ACL policies.' },
      list: {
        summary: 'The policies',
        handler: async (_: unknown, page, { request }) => ({
          data: { keys: await policies().list(request.namespace, pageOf(page)) },
        }),
      },
    }),
    definePath('policies/detailed/acl', {
      fields: {},
      help: { synopsis: 'Lists the ACL policies with their rules.' },
      list: {
        summary: 'The policies and their rules',
        handler: async (_: unknown, _fields, context): Promise<Response> => {
          const keys = await policies().list(context.request.namespace);
          const info = await Promise.all(
            keys.map(async (name) => [name, (await read(context, name, 'policy'))?.data ?? {}] as const),
          );
          return { data: { keys, key_info: Object.fromEntries(info) } };
        },
      },
    }),
    definePath('policies/detailed/acl/:name+', {
      fields: { name: policyFields.name },
      help: { synopsis: 'Lists the ACL policies below a name, with their rules.' },
      list: {
        summary: 'The policies and their rules',
        handler: async (_: unknown, { name }, context): Promise<Response | undefined> => {
          const keys = await below(context, name);
          if (keys.length === 0) return undefined;
          const info = await Promise.all(
            keys.map(async (key) => [key, (await read(context, key, 'policy'))?.data ?? {}] as const),
          );
          return { data: { keys, key_info: Object.fromEntries(info) } };
        },
      },
    }),
    definePath('policies/acl/:name+', {
      fields: policyFields,
      help: { synopsis: 'Reads, writes and deletes an ACL policy.' },
      auditPublicFields: ['name', 'policy'],
      read: { summary: 'A policy', handler: (_: unknown, { name }, context) => read(context, name, 'policy') },
      list: {
        summary: 'The policies below a name',
        handler: async (_: unknown, { name }, context) => listResponse(await below(context, name)),
      },
      update: {
        summary: 'Write a policy',
        handler: async (_: unknown, fields, context): Promise<undefined> => {
          await write(context, fields.name, { text: fields.policy, ...limits(fields, context.nowMs) });
        },
      },
      patch: {
        summary: 'Change some fields of a policy',
        handler: async (_: unknown, fields, context): Promise<Response | undefined> => {
          const before = await policies().get(context.request.namespace, fields.name);
          if (!before) throw badRequest('policy not found');
          const kept = { casRequired: before.casRequired, expiresMs: before.expiresMs };
          await write(context, fields.name, {
            ...kept,
            text: fields.policy ?? before.text,
            ...limits(fields, context.nowMs),
          });
          return { status: 200 };
        },
      },
      delete: { summary: 'Delete a policy', handler: (_: unknown, { name }, context) => remove(context, name) },
    }),
    definePath('policy', {
      fields: {},
      help: { synopsis: 'Lists the ACL policies; the older form.' },
      read: {
        summary: 'The policies',
        handler: async (_: unknown, _fields, { request }) => older(await policies().list(request.namespace)),
      },
      list: {
        summary: 'The policies',
        handler: async (_: unknown, _fields, { request }) => older(await policies().list(request.namespace)),
      },
    }),
    definePath('policy/:name+', {
      fields: policyFields,
      help: { synopsis: 'Reads, writes and deletes an ACL policy; the older form.' },
      auditPublicFields: ['name', 'policy', 'rules'],
      read: {
        summary: 'A policy',
        handler: async (_: unknown, { name }, context): Promise<Response | undefined> => {
          const found = await read(context, name, 'rules');
          return found && { ...found, alsoAtTopLevel: true };
        },
      },
      update: {
        summary: 'Write a policy',
        handler: async (_: unknown, fields, context): Promise<undefined> => {
          if (fields.rules !== undefined && fields.policy === undefined)
            context.warn("'rules' is deprecated, please use 'policy' instead");
          await write(context, fields.name, { text: fields.policy ?? fields.rules, ...limits(fields, context.nowMs) });
        },
      },
      delete: { summary: 'Delete a policy', handler: (_: unknown, { name }, context) => remove(context, name) },
    }),
  ];
}

const older = (names: readonly string[]): Response => ({
  alsoAtTopLevel: true,
  data: { keys: names, policies: names },
});
