import { systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { certificatesOf } from '@coffer/cluster';
import type { Echo } from '@coffer/cluster';
import {
  authorityTimes,
  decodeTlsRecord,
  encodeTlsRecord,
  newTlsRecord,
  nextTlsRecord,
  tlsOf,
  trustOf,
} from './cluster-tls.ts';
import type { TlsRecord } from './cluster-tls.ts';

const LIFE_MS = 1_000_000;
let nowMs = 1_700_000_000_000;
const clock = { nowMs: () => nowMs } as Clock;
const means = { clock, random: systemRandom, lifeMs: LIFE_MS };

/** A member that uses this record. */
const echoOf = (record: TlsRecord, ageMs = 0): Echo => ({
  version: '1',
  hostname: 'h',
  appliedIndex: 1,
  atMs: nowMs - ageMs,
  ...trustOf(record),
});

const step = (record: TlsRecord, ...others: (Echo | undefined)[]): Promise<TlsRecord | undefined> =>
  nextTlsRecord(record, others, means);

describe('the cluster’s authority', () => {
  it('gets a successor in three steps, each after all members made the one before', async () => {
    const first = await newTlsRecord(clock, systemRandom);
    expect(await step(first, echoOf(first))).toBeUndefined();
    nowMs += LIFE_MS;
    const announced = (await step(first, echoOf(first))) as TlsRecord;
    expect(tlsOf(announced).caKey.reveal()).toBe(first.caKey);
    expect(trustOf(announced).signedBy).toBe(trustOf(first).signedBy);
    expect(trustOf(announced).trusts).toHaveLength(2);
    nowMs += 60_000;
    expect(await step(announced, echoOf(announced), echoOf(first))).toBeUndefined();
    expect(await step(announced, echoOf(announced), undefined)).toBeUndefined();
    expect(await step(announced, echoOf(announced, 20_000))).toBeUndefined();
    const switched = (await step(announced, echoOf(announced), echoOf(announced))) as TlsRecord;
    expect(switched.caKey).toBe(announced.nextKey);
    expect(switched.nextKey).toBeUndefined();
    expect(trustOf(switched).signedBy).toBe(trustOf(announced).trusts[1]);
    expect([...trustOf(switched).trusts].sort()).toEqual([...trustOf(announced).trusts].sort());
    nowMs += 60_000;
    // Who signs with the former one would be refused afterwards.
    expect(await step(switched, echoOf(switched), echoOf(announced))).toBeUndefined();
    const last = (await step(switched, echoOf(switched), echoOf(switched))) as TlsRecord;
    expect(trustOf(last)).toEqual({ trusts: [trustOf(switched).signedBy], signedBy: trustOf(switched).signedBy });
    expect(last.caKey).toBe(switched.caKey);
    expect(await step(last)).toBeUndefined();
  });

  it('takes its steps no faster than once a minute, also alone', async () => {
    const first = await newTlsRecord(clock, systemRandom);
    nowMs += LIFE_MS;
    const announced = (await step(first)) as TlsRecord;
    expect(await step(announced)).toBeUndefined();
    nowMs += 59_999;
    expect(await step(announced)).toBeUndefined();
    nowMs += 1;
    expect(await step(announced)).toBeDefined();
  });

  it('takes its steps sooner where its life is short, but no two within two seconds', async () => {
    const short = { ...means, lifeMs: 5000 };
    const first = await newTlsRecord(clock, systemRandom);
    nowMs += 5000;
    const announced = (await nextTlsRecord(first, [], short)) as TlsRecord;
    nowMs += 1999;
    expect(await nextTlsRecord(announced, [], short)).toBeUndefined();
    nowMs += 1;
    expect(await nextTlsRecord(announced, [], short)).toBeDefined();
  });

  it('lives for 30 days where nothing is set, and nodes’ certificates for two', () => {
    expect(authorityTimes(undefined)).toEqual({
      lifeMs: 30 * 86_400_000,
      lookMs: 60_000,
      leafLifeMs: 2 * 86_400_000,
    });
    expect(authorityTimes(8)).toEqual({ lifeMs: 8000, lookMs: 500, leafLifeMs: 16_000 });
  });

  it('is read as clusters of early versions have it, and replaced', async () => {
    const { caCertificate, caKey } = await newTlsRecord(clock, systemRandom);
    const old = decodeTlsRecord(encodeTlsRecord({ caCertificate, caKey }));
    const announced = (await step(old)) as TlsRecord;
    expect(certificatesOf(announced.caCertificate)[0]?.trim()).toBe(caCertificate.trim());
  });
});
