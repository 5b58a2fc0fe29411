import { badRequest, checkHeaderName, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { AuditDeviceRecord } from './audit-records.ts';
import type { AuditService } from './audit-service.ts';

function describe({ path, type, description, local, options }: AuditDeviceRecord): Record<string, unknown> {
  return { path, type, description, local, options };
}

/** `sys/audit`, `sys/audit-hash` and `sys/config/auditing/request-headers`. */
export function auditPaths(audit: () => AuditService): readonly PathDeclaration<unknown>[] {
  return [
    definePath('audit', {
      fields: {},
      help: { synopsis: 'Lists the audit devices.' },
      sudo: true,
      read: {
        summary: 'The devices',
        handler: (): Response => ({
          alsoAtTopLevel: true,
          data: Object.fromEntries(
            audit()
              .list()
              .map((device) => [device.path, describe(device)]),
          ),
        }),
      },
    }),
    definePath('audit/:path+', {
      fields: {
        path: field.name('Name of the device.'),
        type: field.string("Type of the device, such as 'file'."),
        description: field.string('What it is for.', { default: '' }),
        options: field.keyValues('Options of the device.'),
        local: field.bool('Not replicated to other clusters.', { default: false }),
      },
      help: { synopsis: 'Enables and disables an audit device.' },
      sudo: true,
      update: {
        summary: 'Enable a device',
        handler: async (_: unknown, { path, type, description, options, local }): Promise<undefined> => {
          if (!type) throw badRequest('missing type of the audit device');
          await audit().enable(path, type, description, local, options ?? {});
        },
      },
      delete: {
        summary: 'Disable a device',
        handler: async (_: unknown, { path }): Promise<undefined> => {
          await audit().disable(path);
        },
      },
    }),
    definePath('audit-hash/:path+', {
      fields: { path: field.name('Name of the device.'), input: field.string('The text to hash.', { secret: true }) },
      help: { synopsis: "Tells what a text looks like in a device's lines." },
      update: {
        summary: 'Hash a text',
        runs: 'any',
        handler: (_: unknown, { path, input }): Response => {
          if (!input) throw badRequest('the "input" parameter is empty');
          return { alsoAtTopLevel: true, data: { hash: audit().hash(path, input) } };
        },
      },
    }),
    definePath('config/auditing/request-headers', {
      fields: {},
      help: { synopsis: 'Lists the request headers that audit devices write.' },
      sudo: true,
      read: {
        summary: 'The headers',
        handler: (): Response => ({ alsoAtTopLevel: true, data: { headers: audit().headers() } }),
      },
    }),
    definePath('config/auditing/request-headers/:header', {
      fields: { header: field.name('Name of the header.'), hmac: field.bool('Hash its values.', { default: false }) },
      help: { synopsis: 'Says whether audit devices write a request header.' },
      sudo: true,
      read: {
        summary: 'How a header is written',
        handler: (_: unknown, { header }): Response => {
          const headers = audit().headers();
          const lower = header.toLowerCase();
          if (!Object.hasOwn(headers, lower)) throw badRequest('Could not find header in config');
          return { alsoAtTopLevel: true, data: { [header]: headers[lower] } };
        },
      },
      update: {
        summary: 'Write a header from now on',
        handler: async (_: unknown, { header, hmac }): Promise<undefined> => {
          // The token of the caller is never a header to be written.
          if (['x-vault-token', 'authorization', 'cookie'].includes(header.toLowerCase()))
            throw badRequest(`header "${header}" cannot be audited`);
          checkHeaderName(header);
          await audit().setHeader(header, hmac);
        },
      },
      delete: {
        summary: 'Write a header no more',
        handler: async (_: unknown, { header }): Promise<undefined> => {
          await audit().setHeader(header, undefined);
        },
      },
    }),
  ];
}
