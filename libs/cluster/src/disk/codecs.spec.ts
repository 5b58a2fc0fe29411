import type { Entry } from 'raft-ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { decodeChunk, decodeChunkHeader, encodeChunk } from './chunk.codec.ts';
import { decodeIdentity, encodeIdentity } from './identity.ts';
import {
  decodeMemberContext,
  decodeMembers,
  encodeMemberContext,
  encodeMembers,
  withMember,
  NO_MEMBERS,
  type Member,
} from './members.ts';
import { decodeMeta, EMPTY_META, encodeMeta } from './meta.codec.ts';
import { decodePayload, encodeAnnounce, encodeBatch } from './payload.codec.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const corrupt = expect.objectContaining({ code: 'corrupt' });

/** Every damage of one byte and every cut must be noticed. */
function expectDamageNoticed(good: Uint8Array, decode: (bytes: Uint8Array) => unknown): void {
  for (let at = 0; at < good.length; at++) {
    expect(() => decode(good.subarray(0, at))).toThrow(corrupt);
    const flipped = new Uint8Array(good);
    flipped[at] = (flipped[at] as number) ^ 0x41;
    expect(() => decode(flipped)).toThrow(corrupt);
  }
}

describe('bytes', () => {
  it.each([0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])('carries the number %d', (value) => {
    const writer = new ByteWriter(1);
    writer.varint(value);
    expect(new ByteReader(writer.view(), 'test').varint()).toBe(value);
  });

  it('carries texts and byte strings in a buffer that grows', () => {
    const writer = new ByteWriter(1);
    writer.text('schlüssel/💰');
    writer.bytes(new Uint8Array(5000).fill(7));
    writer.uint32(0xfffffffe);
    const reader = new ByteReader(writer.view(), 'test');
    expect(reader.text()).toBe('schlüssel/💰');
    expect(reader.bytes()).toHaveLength(5000);
    expect(reader.uint32()).toBe(0xfffffffe);
    expect(() => reader.end()).not.toThrow();
  });

  it('refuses numbers that are no natural numbers', () => {
    expect(() => new ByteWriter().varint(-1)).toThrow('varint');
    expect(() => new ByteWriter().varint(2 ** 53)).toThrow('varint');
  });

  it('refuses a number without an end and a length beyond the end', () => {
    expect(() => new ByteReader(new Uint8Array(12).fill(0xff), 'test').varint()).toThrow(corrupt);
    expect(() => new ByteReader(Uint8Array.of(200, 1, 65), 'test').text()).toThrow(corrupt);
  });
});

describe('the payload of an entry', () => {
  it('carries a batch in order', () => {
    const ops = [
      { kind: 'put', key: 'a/ä', value: bytes('eins') },
      { kind: 'delete', key: 'b' },
      { kind: 'put', key: 'c', value: new Uint8Array(0) },
    ] as const;
    const payload = decodePayload(encodeBatch(ops));
    expect(payload.kind === 'batch' && payload.ops.map((op) => ({ ...op }))).toEqual([
      { kind: 'put', key: 'a/ä', value: Buffer.from('eins') },
      { kind: 'delete', key: 'b' },
      { kind: 'put', key: 'c', value: Buffer.alloc(0) },
    ]);
  });

  it('carries an address', () => {
    const address = { nodeId: 'n1', apiAddress: 'http://a', clusterAddress: 'https://b' };
    expect(decodePayload(encodeAnnounce(7, address))).toEqual({ kind: 'announce', peer: 7, address });
  });

  it('refuses what it does not know', () => {
    expect(() => decodePayload(Uint8Array.of(9))).toThrow(corrupt);
    expect(() => decodePayload(new Uint8Array(0))).toThrow(corrupt);
    expect(() => decodePayload(Uint8Array.of(1, 1, 7, 0))).toThrow(corrupt);
  });
});

describe('a chunk of the log', () => {
  const entries: readonly Entry[] = [
    { kind: 'empty', term: 3, index: 10 },
    { kind: 'data', term: 3, index: 11, data: bytes('payload') },
    { kind: 'membership', term: 3, index: 12, change: { kind: 'leave' } },
    {
      kind: 'membership',
      term: 3,
      index: 13,
      change: {
        kind: 'enter',
        steps: [
          { kind: 'add-voter', peer: 2 },
          { kind: 'remove', peer: 300 },
        ],
        context: bytes('x'),
      },
    },
  ];

  it('carries every kind of entry', () => {
    const chunk = encodeChunk(entries, 10, 3);
    expect(decodeChunkHeader(chunk)).toEqual({ first: 10, last: 13, term: 3 });
    expect(JSON.stringify(decodeChunk(chunk))).toBe(
      JSON.stringify(entries.map((entry) => entry)).replaceAll(/\{"0":[^}]*\}/g, (text) => {
        return JSON.stringify(Buffer.from(Object.values(JSON.parse(text) as Record<string, number>)));
      }),
    );
  });

  it('notices damage anywhere', () => {
    expectDamageNoticed(encodeChunk(entries, 10, 3), decodeChunk);
  });
});

describe('the record of the log', () => {
  it('carries all numbers and notices damage anywhere', () => {
    const meta = { ...EMPTY_META, term: 5, vote: 2, commit: 2 ** 40, applied: 7, appliedTerm: 4, cut: 3, cutTerm: 1 };
    expect(decodeMeta(encodeMeta(meta))).toEqual(meta);
    expectDamageNoticed(encodeMeta(meta), decodeMeta);
  });

  it('carries a restore that was done or is under way, in a form of its own', () => {
    const restored = { ...EMPTY_META, applied: 9, root: 7, restore: { attempt: 8, sequence: 300 } };
    expect(decodeMeta(encodeMeta(restored))).toEqual(restored);
    expectDamageNoticed(encodeMeta(restored), decodeMeta);
    expect(decodeMeta(encodeMeta({ ...restored, restore: undefined }))).toEqual({ ...restored, restore: undefined });
    // Where nothing was ever restored, earlier versions can read it.
    expect(encodeMeta(EMPTY_META)[0]).toBe(1);
  });
});

describe('members', () => {
  const member = (peer: number): Member => {
    return { peer, nodeId: `n${peer}`, apiAddress: 'a', clusterAddress: 'c', promote: false };
  };
  const voters = (...peers: number[]) => ({ voters: peers, votersOutgoing: [], learners: [], learnersNext: [] });

  it('survive the disk', () => {
    const members = withMember(NO_MEMBERS, voters(1), member(1));
    expect(decodeMembers(encodeMembers(members))).toEqual(members);
  });

  it.each([{ version: '1' }, { version: '1', upgradeVersion: '2', zone: 'a' }])(
    'survive with what they told, %j',
    (traits) => {
      const members = withMember(NO_MEMBERS, voters(1), { ...member(1), traits });
      expect(decodeMembers(encodeMembers(members))).toEqual(members);
      expect(decodeMemberContext(encodeMemberContext({ ...member(1), traits }))).toEqual({ ...member(1), traits });
    },
  );

  it.each(['null', '{}', '{"version":1}', '{"version":"1","zone":2}'])('refuse %s as what they told', (traits) => {
    const text = JSON.stringify({ ...member(1), traits: JSON.parse(traits) as unknown });
    expect(() => decodeMemberContext(bytes(text))).toThrow(corrupt);
  });

  it('lose those that were removed, but never give a number twice', () => {
    const two = withMember(withMember(NO_MEMBERS, voters(1), member(1)), voters(1, 2), member(2));
    const one = withMember(two, voters(1), undefined);
    expect(one.list.map(({ peer }) => peer)).toEqual([1]);
    expect(one.nextPeer).toBe(3);
  });

  it.each(['{', '{}', '[]', 'null', '{"membership":{"voters":["x"]},"list":[],"nextPeer":1}'])('refuse %s', (text) => {
    expect(() => decodeMembers(bytes(text))).toThrow(corrupt);
  });
});

describe('the identity', () => {
  it('survives the disk', () => {
    const identity = { nodeId: 'n', clusterId: 'c', peer: 4 };
    expect(decodeIdentity(encodeIdentity(identity))).toEqual(identity);
  });

  it('refuses damage and later versions', () => {
    expect(() => decodeIdentity(bytes('{'))).toThrow(corrupt);
    expect(() => decodeIdentity(bytes('{"format":1,"nodeId":"n"}'))).toThrow(corrupt);
    expect(() => decodeIdentity(bytes('{"format":2,"nodeId":"n","clusterId":"c","peer":1}'))).toThrow(
      expect.objectContaining({ code: 'disk' }),
    );
  });
});
