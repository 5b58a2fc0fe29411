import { asFolder, withEndSlash } from '@coffer/kernel';
import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { MountEntry, Mounts } from '@coffer/core-api';
import { lockoutData, mountData, readTuning, tuningData } from './mount-data.ts';
import { judgeTuning } from './tuning-rules.ts';

export interface MountPathDeps {
  readonly mounts: () => Mounts;
  readonly version: string;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
}

const tuneFields = {
  path: field.name('Path of the mount.'),
  default_lease_ttl: field.string('TTL of leases; "system" for the default of the system.'),
  max_lease_ttl: field.string('Longest TTL of leases; "system" for the limit of the system.'),
  description: field.string('What the mount is for.'),
  audit_non_hmac_request_keys: field.commaStrings('Request fields that the audit log shows in clear.'),
  audit_non_hmac_response_keys: field.commaStrings('Response fields that the audit log shows in clear.'),
  options: field.keyValues('Options of the mount.'),
  listing_visibility: field.string("Whether unauthenticated listings show it: 'unauth' or 'hidden'."),
  passthrough_request_headers: field.commaStrings('Headers that the engine gets to see.'),
  allowed_response_headers: field.commaStrings('Headers that the engine may set.'),
  token_type: field.string('Type of the tokens of logins.'),
  user_lockout_config: field.map('Lockout of users after failed logins.'),
  plugin_version: field.string('Version of the plugin.'),
};

const mountFields = {
  path: field.name('Path to mount at.'),
  type: field.string("Type of the engine, such as 'kv'."),
  description: field.string('What the mount is for.'),
  config: field.map('Settings of the mount.'),
  local: field.bool('Not replicated to other clusters.', { default: false }),
  seal_wrap: field.bool('Wrap stored values by the seal, too.', { default: false }),
  external_entropy_access: field.bool("Let the engine use the seal's entropy.", { default: false }),
  options: field.keyValues('Options of the engine.'),
  plugin_name: field.string('Type of the engine, under its older name.'),
  plugin_version: field.string('Version of the plugin.'),
};

/** `sys/mounts` or `sys/auth`: the same table twice. */
export function mountPaths(table: 'secret' | 'auth', deps: MountPathDeps): readonly PathDeclaration<unknown>[] {
  const at = table === 'auth' ? 'auth' : 'mounts';
  const noun = table === 'auth' ? 'auth method' : 'secret engine';
  const findIn = (kind: 'secret' | 'auth', context: RequestContext, path: string): MountEntry | undefined => {
    const clean = asFolder(path);
    return deps
      .mounts()
      .list(kind, context.request.namespace)
      .find((entry) => entry.path === clean);
  };
  const find = (context: RequestContext, path: string): MountEntry | undefined => findIn(table, context, path);
  const known = (context: RequestContext, path: string): MountEntry => {
    const entry = path.startsWith('auth/') ? findIn('auth', context, path.slice('auth/'.length)) : find(context, path);
    if (!entry)
      throw badRequest(`cannot fetch sysview for path "${at === 'auth' ? 'auth/' : ''}${withEndSlash(path)}"`);
    return entry;
  };
  const tuned = (entry: MountEntry): Response => {
    const { default_lease_ttl: own, max_lease_ttl: ownMax, ...rest } = tuningData(entry);
    const data = {
      ...rest,
      default_lease_ttl: own === 0 ? deps.systemTtl.defaultSeconds : own,
      max_lease_ttl: ownMax === 0 ? deps.systemTtl.maxSeconds : ownMax,
      description: entry.description,
      ...lockoutData(entry),
      ...(entry.externalEntropyAccess ? { external_entropy_access: true } : {}),
      ...(entry.pluginVersion === '' ? {} : { plugin_version: entry.pluginVersion }),
      ...(Object.keys(entry.options).length > 0 ? { options: entry.options } : {}),
    };
    return { alsoAtTopLevel: true, data };
  };
  return [
    definePath(at, {
      fields: {},
      help: { synopsis: `Lists the ${noun}s that are mounted.` },
      read: {
        summary: `The ${noun}s`,
        handler: (_: unknown, _fields, context): Response => {
          const entries = deps.mounts().list(table, context.request.namespace);
          return {
            alsoAtTopLevel: true,
            data: Object.fromEntries(entries.map((entry) => [entry.path, mountData(entry, deps.version)])),
          };
        },
      },
    }),
    definePath(`${at}/:path+`, {
      fields: mountFields,
      help: { synopsis: `Mounts, shows and unmounts a ${noun}.` },
      ...(table === 'auth' ? { sudo: ['read', 'update', 'delete'] as const } : {}),
      read: {
        summary: `One ${noun}`,
        handler: (_: unknown, fields, context): Response => {
          const entry = find(context, fields.path);
          if (!entry)
            throw badRequest(
              `No ${table === 'auth' ? 'auth engine' : 'secret engine mount'} at ${withEndSlash(fields.path)}`,
            );
          return { alsoAtTopLevel: true, data: mountData(entry, deps.version) };
        },
      },
      update: {
        summary: `Mount a ${noun}`,
        handler: async (_: unknown, fields, context): Promise<undefined> => {
          const type = typeOf(fields.type, fields.plugin_name);
          await deps.mounts().enable({
            table,
            namespace: context.request.namespace,
            path: fields.path,
            type,
            description: fields.description ?? '',
            options:
              context.request.data.options === null && !fields.config?.options
                ? null
                : { ...optionsOf(fields.config), ...fields.options },
            local: fields.local,
            sealWrap: fields.seal_wrap,
            externalEntropyAccess: fields.external_entropy_access,
            pluginVersion: fields.plugin_version ?? '',
            tuning: readTuning(fields.config ?? {}),
          });
          return undefined;
        },
      },
      delete: {
        summary: `Unmount a ${noun}`,
        handler: async (_: unknown, fields, context): Promise<undefined> => {
          await deps.mounts().disable(table, context.request.namespace, fields.path);
          return undefined;
        },
      },
    }),
    definePath(`${at}/:path+/tune`, {
      fields: tuneFields,
      help: { synopsis: `Shows and changes the settings of a mounted ${noun}.` },
      ...(table === 'auth' ? { sudo: true } : {}),
      read: {
        summary: 'The settings',
        handler: (_: unknown, fields, context): Response => tuned(known(context, fields.path)),
      },
      update: {
        summary: 'Change settings',
        handler: async (_: unknown, fields, context): Promise<Response | undefined> => {
          const entry = known(context, fields.path);
          const sent = Object.keys(context.request.data).filter((name) => name in tuneFields);
          const warnings = judgeTuning(entry, fields, sent);
          await deps.mounts().tune(entry, readTuning(fields), {
            ...(fields.description === undefined ? {} : { description: fields.description }),
            ...(fields.options === undefined ? {} : { options: fields.options }),
          });
          return warnings.length === 0 ? undefined : { warnings };
        },
      },
    }),
  ];
}

/** The type that is asked for. @throws RequestError where there is none */
function typeOf(type: string | undefined, pluginName: string | undefined): string {
  if (!type) throw badRequest('backend type must be specified as a string');
  if (type !== 'plugin') return type;
  if (!pluginName) throw badRequest('plugin_name must be provided for plugin backend');
  return pluginName;
}

function optionsOf(config: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, string>> {
  const options = config?.options;
  if (typeof options !== 'object' || options === null) return {};
  return Object.fromEntries(
    Object.entries(options).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}
