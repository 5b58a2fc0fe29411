import { withoutEndSlashes } from '@coffer/kernel';
import { badRequest, definePath, field, listResponse } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { SCHEDULES, SCHEDULE_RESULTS, checkSchedule } from './snapshot-schedule.ts';
import type { ScheduleResult, SnapshotSchedule, SnapshotTarget } from './snapshot-schedule.ts';

/** What `sys/storage/raft/snapshot-auto` asks of who takes the snapshots. */
export interface SnapshotSchedules {
  /** On the active node: what is stored has changed. */
  changed(): void;
  /** On the active node. Undefined where there is no such schedule. */
  status(name: string): ScheduleStatus | undefined;
}

export interface ScheduleStatus extends ScheduleResult {
  /** When the present one was begun, and where it goes; 0 and empty if none is under way. */
  readonly startMs: number;
  readonly url: string;
  readonly nextStartMs: number;
}

const name = field.name('Name of the configuration.');

/** With Vault's names. */
const SETTINGS = {
  interval: field.duration('Time between snapshots.'),
  retain: field.int('How many snapshots are kept.'),
  path_prefix: field.string('Folder on the active node, or what the names of objects begin with.'),
  file_prefix: field.string('What the names of files begin with.'),
  storage_type: field.string('Where snapshots go.', { allowedValues: ['local', 'aws-s3'] }),
  local_max_space: field.int('No more snapshots once those that are there take up so many bytes; 0: no limit.'),
  aws_s3_bucket: field.string('Bucket.'),
  aws_s3_region: field.string('Region of the bucket.'),
  aws_s3_endpoint: field.string('Endpoint of a service that speaks the protocol of S3.'),
  aws_s3_disable_tls: field.bool('Speak HTTP to the endpoint.'),
  aws_s3_force_path_style: field.bool('Name the bucket in the path and not in the host.'),
  aws_s3_server_side_encryption: field.bool('Let the service encrypt what it stores with keys of its own.'),
  aws_s3_kms_key: field.string('Key of AWS KMS with which the service encrypts what it stores.'),
  aws_access_key_id: field.string('Access key; left out, as the environment of the node says.'),
  aws_secret_access_key: field.string('Secret of the access key.', { secret: true }),
  aws_session_token: field.string('Session of the access key.', { secret: true }),
};

type Sent = { readonly [K in keyof typeof SETTINGS]: unknown };

/** `sys/storage/raft/snapshot-auto/…`. */
export function snapshotAutoPaths(schedules: SnapshotSchedules): readonly PathDeclaration<unknown>[] {
  const told = (): Response => ({
    afterCommit: () => {
      schedules.changed();
      return Promise.resolve(undefined);
    },
  });
  return [
    definePath('storage/raft/snapshot-auto/config', {
      fields: {},
      help: { synopsis: 'Lists the configurations of automatic snapshots.' },
      sudo: true,
      rootNamespaceOnly: true,
      list: {
        summary: 'List',
        handler: async (_: unknown, __, { view }): Promise<Response | undefined> =>
          listResponse(await view.list(SCHEDULES)),
      },
    }),
    definePath('storage/raft/snapshot-auto/config/:name', {
      fields: { name, ...SETTINGS },
      help: { synopsis: 'Takes snapshots by itself, keeps the newest of them, and reads each back.' },
      sudo: true,
      rootNamespaceOnly: true,
      read: {
        summary: 'Read',
        handler: async (_: unknown, fields, { view }): Promise<Response | undefined> => {
          const schedule = await view.getJson<SnapshotSchedule>(SCHEDULES + fields.name);
          return schedule && { data: shown(schedule) };
        },
      },
      update: {
        summary: 'Write',
        handler: async (_: unknown, { name: key, ...sent }, { view }): Promise<Response> => {
          const before = await view.getJson<SnapshotSchedule>(SCHEDULES + key);
          const schedule = merged(sent, before);
          checkSchedule(schedule);
          view.putJson(SCHEDULES + key, schedule);
          return told();
        },
      },
      delete: {
        summary: 'Delete',
        handler: (_: unknown, fields, { view }): Response => {
          view.delete(SCHEDULES + fields.name);
          view.delete(SCHEDULE_RESULTS + fields.name);
          return told();
        },
      },
    }),
    definePath('storage/raft/snapshot-auto/status/:name', {
      fields: { name },
      help: { synopsis: 'What became of the automatic snapshots of a configuration.' },
      sudo: true,
      rootNamespaceOnly: true,
      read: {
        summary: 'Read',
        runs: 'active',
        handler: async (_: unknown, fields, { view }): Promise<Response | undefined> => {
          if ((await view.get(SCHEDULES + fields.name)) === undefined) return undefined;
          const status = schedules.status(fields.name);
          return status && { data: shownStatus(status) };
        },
      },
    }),
  ];
}

/** What was sent, over what was there. @throws RequestError */
function merged(sent: Sent, before: SnapshotSchedule | undefined): SnapshotSchedule {
  const pick = <T>(value: unknown, former: T | undefined, fallback: T): T =>
    (value as T | undefined) ?? former ?? fallback;
  if (sent.interval === undefined && !before) throw badRequest('interval: expected the time between snapshots');
  if (sent.path_prefix === undefined && !before)
    throw badRequest('path_prefix: expected a folder, or a prefix of names');
  const prefix = pick(sent.path_prefix, before?.pathPrefix, '');
  return {
    intervalSeconds: pick(sent.interval, before?.intervalSeconds, 0),
    retain: pick(sent.retain, before?.retain, 1),
    pathPrefix: prefix.slice(0, 1) + withoutEndSlashes(prefix.slice(1)),
    filePrefix: pick(sent.file_prefix, before?.filePrefix, 'vault-snapshot'),
    target: mergedTarget(sent, before?.target),
  };
}

function mergedTarget(sent: Sent, before: SnapshotTarget | undefined): SnapshotTarget {
  const kind = sent.storage_type ?? before?.kind;
  if (kind === 'local') {
    const former = before?.kind === 'local' ? before.bytesMax : 0;
    return { kind, bytesMax: (sent.local_max_space as number | undefined) ?? former };
  }
  if (kind !== 'aws-s3') throw badRequest('storage_type: expected local or aws-s3');
  const former = before?.kind === 'aws-s3' ? before : undefined;
  const text = (value: unknown, stored: string | undefined): string => (value as string | undefined) ?? stored ?? '';
  const yes = (value: unknown, stored: boolean | undefined): boolean =>
    (value as boolean | undefined) ?? stored ?? false;
  return {
    kind,
    bucket: text(sent.aws_s3_bucket, former?.bucket),
    region: text(sent.aws_s3_region, former?.region),
    endpoint: text(sent.aws_s3_endpoint, former?.endpoint),
    disableTls: yes(sent.aws_s3_disable_tls, former?.disableTls),
    forcePathStyle: yes(sent.aws_s3_force_path_style, former?.forcePathStyle),
    accessKeyId: text(sent.aws_access_key_id, former?.accessKeyId),
    secretAccessKey: text(sent.aws_secret_access_key, former?.secretAccessKey),
    sessionToken: text(sent.aws_session_token, former?.sessionToken),
    serverSideEncryption: yes(sent.aws_s3_server_side_encryption, former?.serverSideEncryption),
    kmsKey: text(sent.aws_s3_kms_key, former?.kmsKey),
  };
}

/** Without what is secret. */
function shown({ target, ...schedule }: SnapshotSchedule): Readonly<Record<string, unknown>> {
  return {
    interval: schedule.intervalSeconds,
    retain: schedule.retain,
    path_prefix: schedule.pathPrefix,
    file_prefix: schedule.filePrefix,
    storage_type: target.kind,
    ...(target.kind === 'local'
      ? { local_max_space: target.bytesMax }
      : {
          aws_s3_bucket: target.bucket,
          aws_s3_region: target.region,
          aws_s3_endpoint: target.endpoint,
          aws_s3_disable_tls: target.disableTls,
          aws_s3_force_path_style: target.forcePathStyle,
          aws_s3_server_side_encryption: target.serverSideEncryption,
          aws_s3_kms_key: target.kmsKey,
          aws_access_key_id: target.accessKeyId,
        }),
  };
}

function shownStatus(status: ScheduleStatus): Readonly<Record<string, unknown>> {
  const time = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());
  return {
    consecutive_errors: status.consecutiveErrors,
    last_snapshot_start: time(status.lastStartMs),
    last_snapshot_end: time(status.lastEndMs),
    last_snapshot_error: status.lastError,
    last_snapshot_url: status.lastUrl,
    next_snapshot_start: time(status.nextStartMs),
    snapshot_start: time(status.startMs),
    snapshot_url: status.url,
  };
}
