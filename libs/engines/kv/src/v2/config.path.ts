import { formatDuration } from '@coffer/kernel';
import { definePath, field } from '@coffer/sdk';
import type { Response } from '@coffer/sdk';
import { configOf } from './data.path.ts';
import type { Kv2 } from './kv2.ts';
import { configRecord } from './records.ts';

export const configPath = definePath('config', {
  fields: {
    max_versions: field.int('How many versions each key keeps; 0 for 10.'),
    cas_required: field.bool('Whether every write must name the current version.'),
    metadata_cas_required: field.bool('Whether every write of metadata must name its current version.'),
    delete_version_after: field.signedDuration('How long versions live; negative: without end, whatever keys say.'),
  },
  help: { synopsis: 'The settings of this mount, for all keys that have none of their own.' },
  read: {
    summary: 'The settings',
    handler: async (_: Kv2, _fields, { view }): Promise<Response> => {
      const config = await configOf(view);
      return {
        data: {
          cas_required: config.casRequired,
          delete_version_after: formatDuration(config.deleteVersionAfterSeconds),
          max_versions: config.maxVersions,
          metadata_cas_required: config.metadataCasRequired,
        },
      };
    },
  },
  update: {
    summary: 'Change settings',
    handler: async (_: Kv2, fields, { view }): Promise<undefined> => {
      const before = await configOf(view);
      const after = Math.max(-1, fields.delete_version_after ?? before.deleteVersionAfterSeconds);
      configRecord.put(view, {
        maxVersions: Math.max(0, fields.max_versions ?? before.maxVersions),
        casRequired: fields.cas_required ?? before.casRequired,
        metadataCasRequired: fields.metadata_cas_required ?? before.metadataCasRequired,
        deleteVersionAfterSeconds: after,
      });
    },
  },
});
