import { badRequest } from '@coffer/sdk';

/** Where `sys/storage/raft/snapshot-auto` keeps its configurations and what became of their snapshots, by name. */
export const SCHEDULES = 'raft/snapshot-auto/config/';
export const SCHEDULE_RESULTS = 'raft/snapshot-auto/status/';

/** When snapshots are taken by themselves, and where they go. */
export interface SnapshotSchedule {
  readonly intervalSeconds: number;
  /** So many snapshots are kept. */
  readonly retain: number;
  /** A folder of the active node, or what the names of objects begin with. */
  readonly pathPrefix: string;
  readonly filePrefix: string;
  readonly target: SnapshotTarget;
}

export type SnapshotTarget =
  /** No more snapshots once those that are kept take up so many bytes; 0: no limit. */
  | { readonly kind: 'local'; readonly bytesMax: number }
  | {
      readonly kind: 'aws-s3';
      readonly bucket: string;
      readonly region: string;
      /** Host, or URL; empty: that of AWS. */
      readonly endpoint: string;
      readonly disableTls: boolean;
      readonly forcePathStyle: boolean;
      /** Empty: as the environment of the node says. */
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string;
      readonly serverSideEncryption: boolean;
      readonly kmsKey: string;
    };

/** What became of the snapshots of one schedule; times in milliseconds since 1970. */
export interface ScheduleResult {
  readonly consecutiveErrors: number;
  readonly lastStartMs: number;
  readonly lastEndMs: number;
  /** Empty if it went well. */
  readonly lastError: string;
  /** Where the newest snapshot lies; empty if there is none. */
  readonly lastUrl: string;
}

/** A shorter interval would mean to do nothing else. */
export const INTERVAL_MIN_SECONDS = 1;

const FILE_PREFIX = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** @throws RequestError naming the field and what was expected */
export function checkSchedule(schedule: SnapshotSchedule): void {
  const { intervalSeconds, retain, pathPrefix, filePrefix, target } = schedule;
  if (intervalSeconds < INTERVAL_MIN_SECONDS) throw badRequest('interval: expected a duration of one second or more');
  if (retain < 1) throw badRequest('retain: expected a number of 1 or more');
  if (!FILE_PREFIX.test(filePrefix)) throw badRequest('file_prefix: expected letters, digits, ".", "_" and "-"');
  if (target.kind === 'local') {
    if (!pathPrefix.startsWith('/') || pathPrefix.split('/').includes('..') || pathPrefix.includes('\0'))
      throw badRequest('path_prefix: expected the absolute path of a folder of the node');
    if (target.bytesMax < 0) throw badRequest('local_max_space: expected a number of bytes, or 0');
    return;
  }
  if (target.bucket === '') throw badRequest('aws_s3_bucket: expected the name of a bucket');
  if (target.region === '') throw badRequest('aws_s3_region: expected the name of a region');
  if ((target.accessKeyId === '') !== (target.secretAccessKey === ''))
    throw badRequest('aws_access_key_id and aws_secret_access_key: expected both or none');
  if (pathPrefix.startsWith('/')) throw badRequest('path_prefix: expected no slash in front of the names of objects');
}
