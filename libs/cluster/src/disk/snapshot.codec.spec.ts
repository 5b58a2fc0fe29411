import { NO_MEMBERS } from './members.ts';
import { decodeSnapshot, encodeSnapshot, type SnapshotPart, type SnapshotRecord } from './snapshot.codec.ts';

const header = { clusterId: 'c', index: 9, term: 3, leaderTerm: 4, members: NO_MEMBERS };
const corrupt = expect.objectContaining({ code: 'corrupt' });

async function* pagesOf(...pages: SnapshotRecord[][]): AsyncGenerator<SnapshotRecord[]> {
  yield* pages;
}

async function encoded(...pages: SnapshotRecord[][]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of encodeSnapshot(header, pagesOf(...pages))) parts.push(part);
  return Buffer.concat(parts);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decoded(bytes: Buffer, size = 1000): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = [];
  for await (const part of decodeSnapshot(inPieces(bytes, size))) parts.push(part);
  return parts;
}

describe('a snapshot as a stream', () => {
  const page: SnapshotRecord[] = [
    ['a/b', Buffer.from('one')],
    ['ü', Buffer.alloc(300, 5)],
  ];

  it.each([1, 7, 4096])('arrives in pieces of %d bytes', async (size) => {
    const parts = await decoded(await encoded(page, [['z', Buffer.alloc(0)]]), size);
    expect(parts).toEqual([
      { kind: 'header', header },
      { kind: 'records', records: page },
      { kind: 'records', records: [['z', Buffer.alloc(0)]] },
    ]);
  });

  it('may be empty of records', async () => {
    expect(await decoded(await encoded())).toHaveLength(1);
  });

  it('is refused wherever it is cut short, and where something follows', async () => {
    const good = await encoded(page);
    for (let length = 0; length < good.length; length++) {
      await expect(decoded(good.subarray(0, length))).rejects.toThrow(corrupt);
    }
    await expect(decoded(Buffer.concat([good, Buffer.of(0)]))).rejects.toThrow(corrupt);
  });

  it('closes what it is read from, read to its end or not', async () => {
    let closed = 0;
    async function* watched(bytes: Buffer): AsyncGenerator<Uint8Array> {
      try {
        yield* inPieces(bytes, 10);
      } finally {
        closed++;
      }
    }
    const good = await encoded(page);
    const bad = Buffer.concat([good.subarray(0, 20), Buffer.alloc(200)]);
    await expect(decodeSnapshot(watched(bad)).next()).rejects.toThrow(corrupt);
    expect(closed).toBe(1);
    for await (const part of decodeSnapshot(watched(good))) {
      expect(part.kind).toBe('header');
      break;
    }
    expect(closed).toBe(2);
    for await (const part of decodeSnapshot(watched(good))) expect(part).toBeDefined();
    expect(closed).toBe(3);
  });

  it('is refused whichever byte is damaged', async () => {
    const good = await encoded(page);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ 0x10;
      await expect(decoded(bad)).rejects.toThrow(corrupt);
    }
  });
});
