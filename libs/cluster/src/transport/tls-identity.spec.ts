import { X509Certificate } from 'node:crypto';
import { systemClock, systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { createClusterTls, LEAF_LIFE_MS } from './cluster-ca.ts';
import { recordingLog } from './test-transport.fixture.ts';
import { TlsIdentity } from './tls-identity.ts';

/** A clock whose `every` is called by hand. */
function handClock(): { readonly clock: Clock; advance(ms: number): void; readonly periodsMs: number[] } {
  let nowMs = Date.UTC(2030, 0, 1);
  const looks = new Set<() => void>();
  const periodsMs: number[] = [];
  const clock: Clock = {
    ...systemClock,
    nowMs: () => nowMs,
    every: (ms, look) => {
      periodsMs.push(ms);
      looks.add(look);
      return () => looks.delete(look);
    },
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    for (const look of looks) look();
  };
  return { clock, advance, periodsMs };
}

const leafOf = (identity: TlsIdentity): X509Certificate => new X509Certificate(String(identity.secureOptions().cert));

async function opened(leafLifeMs?: number): Promise<{
  readonly identity: TlsIdentity;
  readonly advance: (ms: number) => void;
  readonly periodsMs: number[];
  readonly renewed: () => Promise<void>;
}> {
  const { clock, advance, periodsMs } = handClock();
  const tls = await createClusterTls(clock, systemRandom);
  const means = { clock, random: systemRandom, log: recordingLog().log };
  const identity = await TlsIdentity.create(
    { nodeId: 'a', clusterId: 'c', tls },
    leafLifeMs === undefined ? means : { ...means, leafLifeMs },
  );
  let told: (() => void) | undefined;
  const renewed = (): Promise<void> => new Promise((resolve) => (told = resolve));
  identity.start(() => told?.());
  return { identity, advance, periodsMs, renewed };
}

describe('the certificate of a node', () => {
  it.each([
    [undefined, LEAF_LIFE_MS],
    [12_000, 12_000],
    [LEAF_LIFE_MS * 2, LEAF_LIFE_MS],
  ])('of life %s lives for %s ms, and is renewed when a third of it is over', async (leafLifeMs, lifeMs) => {
    const { identity, advance, renewed } = await opened(leafLifeMs);
    const first = leafOf(identity);
    expect(identity.secureOptions().cert).toBeDefined();
    const second = renewed();
    advance(lifeMs / 3 - 1000);
    expect(leafOf(identity).fingerprint256).toBe(first.fingerprint256);
    advance(2000);
    await second;
    expect(leafOf(identity).fingerprint256).not.toBe(first.fingerprint256);
    expect(Date.parse(leafOf(identity).validTo) - Date.parse(first.validTo)).toBe(lifeMs / 3 + 1000);
    identity.stop();
  });

  it('is looked at often enough for its life', async () => {
    expect((await opened()).periodsMs).toEqual([600_000]);
    expect((await opened(12_000)).periodsMs).toEqual([500]);
  });
});
