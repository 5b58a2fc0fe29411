import { ArchiveError } from './archive-error.ts';

/** The members of the archive, as Vault's clients expect them; in this order. */
export const META_FILE = 'meta.json';
export const STATE_FILE = 'state.bin';
export const SUMS_FILE = 'SHA256SUMS';
export const SEALED_SUMS_FILE = 'SHA256SUMS.sealed';

/** A member of the cluster when the snapshot was taken. */
export interface ArchiveServer {
  readonly Suffrage: 'Voter' | 'Nonvoter';
  readonly ID: string;
  readonly Address: string;
}

/** `meta.json`, with the members of hashicorp/raft's SnapshotMeta and our own beside them. */
export interface ArchiveMeta {
  /** Of the archive. */
  readonly Version: 1;
  readonly ID: string;
  readonly Index: number;
  readonly Term: number;
  readonly Configuration: { readonly Servers: readonly ArchiveServer[] };
  readonly ConfigurationIndex: number;
  /** Bytes of `state.bin`. */
  readonly Size: number;
  /** The form of `state.bin`. */
  readonly Format: string;
  /** Of the raft cluster that it was taken from. */
  readonly ClusterID: string;
}

export const STATE_FORMAT = 'coffer-snapshot/1';

/** @throws ArchiveError `damaged` */
export function parseMeta(bytes: Uint8Array): ArchiveMeta {
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new ArchiveError('damaged', `${META_FILE} is not JSON`, { cause });
  }
  if (typeof raw !== 'object' || raw === null) throw new ArchiveError('damaged', `${META_FILE} is not an object`);
  const { Version, ID, Index, Term, Size, Configuration, Format, ClusterID } = raw as Partial<ArchiveMeta>;
  if (Version !== 1) throw new ArchiveError('damaged', `${META_FILE}: Version: expected 1`);
  if (typeof ID !== 'string') throw new ArchiveError('damaged', `${META_FILE}: ID: expected a text`);
  for (const [name, value] of Object.entries({ Index, Term, Size }))
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw new ArchiveError('damaged', `${META_FILE}: ${name}: expected a whole number`);
  const servers: unknown = Configuration?.Servers;
  return {
    Version,
    ID,
    Index: Index as number,
    Term: Term as number,
    Configuration: { Servers: Array.isArray(servers) ? (servers as readonly ArchiveServer[]) : [] },
    ConfigurationIndex: 0,
    Size: Size as number,
    Format: typeof Format === 'string' ? Format : '',
    ClusterID: typeof ClusterID === 'string' ? ClusterID : '',
  };
}
