import { Secret } from '@coffer/kernel';
import type { Clock, Random } from '@coffer/kernel';
import { bundleOf, certificatesOf, createClusterTls, fingerprintOf, LEAF_LIFE_MS } from '@coffer/cluster';
import type { ClusterTls, Echo } from '@coffer/cluster';

/** Where the cluster's own authority is kept, in the barrier. */
export const TLS_RECORD = 'core/cluster/tls';

/** So old an authority gets a successor, where the configuration does not say. */
const AUTHORITY_LIFE_SECONDS = 30 * 86_400;
/** The shortest time between two steps of a succession. Who shares a database has read it by then. */
const STEP_MS_MAX = 60_000;
const STEP_MS_MIN = 2000;
const STEPS = 8;
/** An echo that is older than this says nothing any more. */
const ECHO_AGE_MS = 10_000;

/** How authorities and the nodes' own certificates come and go, in milliseconds. */
export interface AuthorityTimes {
  readonly lifeMs: number;
  /** How often the active node looks whether a step is due. */
  readonly lookMs: number;
  /** Certificates of nodes; two days at most. */
  readonly leafLifeMs: number;
}

/** @param ttlSeconds `cluster_authority_ttl` */
export function authorityTimes(ttlSeconds: number | undefined): AuthorityTimes {
  const lifeMs = (ttlSeconds ?? AUTHORITY_LIFE_SECONDS) * 1000;
  // Twice: so that one is never old because a busy node is a little late.
  return { lifeMs, lookMs: Math.min(60_000, lifeMs / 16), leafLifeMs: Math.min(LEAF_LIFE_MS, 2 * lifeMs) };
}

/** As it is stored, in JSON. */
export interface TlsRecord {
  /** PEM: the authority that signs, then one that is trusted besides: the predecessor, or the successor (`next`). */
  readonly caCertificate: string;
  /** Of the first. */
  readonly caKey: string;
  /** When it took this form, in milliseconds since 1970; absent in the first one of clusters made by early versions. */
  readonly changedMs?: number;
  /** The key of the second, where it is the successor. */
  readonly nextKey?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeTlsRecord(record: TlsRecord): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

export function decodeTlsRecord(bytes: Uint8Array): TlsRecord {
  return JSON.parse(decoder.decode(bytes)) as TlsRecord;
}

export async function newTlsRecord(clock: Clock, random: Random): Promise<TlsRecord> {
  const made = await createClusterTls(clock, random);
  return { caCertificate: made.caCertificate, caKey: made.caKey.reveal(), changedMs: clock.nowMs() };
}

export function tlsOf(record: TlsRecord): ClusterTls {
  return { caCertificate: record.caCertificate, caKey: new Secret(record.caKey) };
}

/** What a node that uses this record tells with its echoes. */
export function trustOf(record: TlsRecord): { readonly trusts: readonly string[]; readonly signedBy: string } {
  const trusts = certificatesOf(record.caCertificate).map(fingerprintOf);
  return { trusts, signedBy: trusts[0] ?? '' };
}

/**
 * The next step of a succession of authorities, if one is due. Each step is taken only when every member has said that
 * it made the step before, so that no two nodes ever fail to trust each other, and a node that was away for a month
 * finds the cluster as it left it: the succession waits for it.
 *
 * 1. the successor is trusted besides; 2. it signs, and the predecessor is trusted besides; 3. the predecessor goes.
 *
 * @param others the other members, each with its last echo
 */
export async function nextTlsRecord(
  record: TlsRecord,
  others: readonly (Echo | undefined)[],
  means: { readonly clock: Clock; readonly random: Random; readonly lifeMs: number },
): Promise<TlsRecord | undefined> {
  const { clock, random, lifeMs } = means;
  const nowMs = clock.nowMs();
  const certificates = certificatesOf(record.caCertificate);
  const [first = '', second] = certificates;
  const ageMs = nowMs - (record.changedMs ?? 0);
  const all = (holds: (echo: Echo) => boolean): boolean =>
    others.every((echo) => echo !== undefined && nowMs - echo.atMs < ECHO_AGE_MS && holds(echo));
  if (second === undefined) {
    if (ageMs < lifeMs) return undefined;
    const next = await newTlsRecord(clock, random);
    return {
      caCertificate: bundleOf(first, next.caCertificate),
      caKey: record.caKey,
      nextKey: next.caKey,
      changedMs: nowMs,
    };
  }
  if (ageMs < Math.min(STEP_MS_MAX, Math.max(STEP_MS_MIN, lifeMs / STEPS))) return undefined;
  if (record.nextKey !== undefined) {
    const successor = fingerprintOf(second);
    if (!all(({ trusts }) => trusts.includes(successor))) return undefined;
    return { caCertificate: bundleOf(second, first), caKey: record.nextKey, changedMs: nowMs };
  }
  const signer = fingerprintOf(first);
  if (!all(({ signedBy }) => signedBy === signer)) return undefined;
  return { caCertificate: first, caKey: record.caKey, changedMs: nowMs };
}
