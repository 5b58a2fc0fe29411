import { createHash } from 'node:crypto';
import type { SnapshotMeta } from 'raft-ts';
import { FrameType } from './frame.ts';
import { encodeSnapshotEnd, SnapshotTransferError } from './snapshot-frames.ts';
import { addressAt, codec, heartbeat, Tap, TestCluster, until } from './test-transport.fixture.ts';
import type { RawClient, TestNode } from './test-transport.fixture.ts';

const membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
const meta: SnapshotMeta = { index: 12, term: 3, membership };
const pieceOf = (index: number, bytes: number): Uint8Array => new Uint8Array(bytes).fill(index & 0xff);

function digestOf(pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

async function* pieces(count: number, bytes: number, onTaken?: (index: number) => void): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) {
    onTaken?.(index);
    yield await Promise.resolve(pieceOf(index, bytes));
  }
}

describe('a snapshot', () => {
  let cluster: TestCluster;
  let a: TestNode;
  let b: TestNode;
  beforeEach(async () => {
    cluster = await TestCluster.create();
    [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
  });
  afterEach(() => cluster.close());

  /** Receives whole snapshots and keeps what came of them. */
  const keep = (): { from: number; meta: SnapshotMeta; digest: string }[] => {
    const kept: { from: number; meta: SnapshotMeta; digest: string }[] = [];
    b.transport.onSnapshot(async (from, received, contents) => {
      const all: Uint8Array[] = [];
      for await (const piece of contents) all.push(piece);
      kept.push({ from, meta: received, digest: digestOf(all) });
    });
    return kept;
  };

  it('arrives as it was sent, whatever the size of the pieces', async () => {
    const kept = keep();
    for (const [count, bytes] of [
      [0, 0],
      [1, 1],
      [5, 65_536],
      [3, 1_000_001],
      [2000, 100],
    ] as const) {
      await a.transport.sendSnapshot(2, meta, pieces(count, bytes));
      const sent = Array.from({ length: count }, (_, index) => pieceOf(index, bytes));
      expect(kept.pop()).toEqual({ from: 1, meta, digest: digestOf(sent) });
    }
  });

  it('is done only when the receiver has it on its disk', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let read = false;
    b.transport.onSnapshot(async (_from, _meta, contents) => {
      for await (const piece of contents) expect(piece.length).toBeGreaterThan(0);
      read = true;
      await promise;
    });
    let done = false;
    const sending = a.transport.sendSnapshot(2, meta, pieces(3, 1000)).then(() => (done = true));
    await until(() => read);
    await new Promise((later) => setTimeout(later, 20));
    expect(done).toBe(false);
    resolve();
    await sending;
    expect(done).toBe(true);
  });

  it('fails where the receiver fails, without its reason', async () => {
    b.transport.onSnapshot(async (_from, _meta, contents) => {
      for await (const piece of contents) throw new Error(`canary ${String(piece.length)}`);
    });
    const error: unknown = await a.transport.sendSnapshot(2, meta, pieces(3000, 60_000)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SnapshotTransferError);
    expect(String(error)).not.toContain('canary');
  });

  it('is not taken for installed where the receiver did not wait for its end', async () => {
    b.transport.onSnapshot(() => Promise.resolve());
    await expect(a.transport.sendSnapshot(2, meta, pieces(100, 60_000))).rejects.toThrow(SnapshotTransferError);
    expect(b.lines.some(({ message }) => message.includes('before all of it had arrived'))).toBe(true);
  });

  it('passes on what its source throws, and the receiver sees no end', async () => {
    let outcome: unknown;
    const begun = Promise.withResolvers<void>();
    b.transport.onSnapshot(async (_from, _meta, contents) => {
      begun.resolve();
      try {
        for await (const piece of contents) void piece;
        outcome = 'complete';
      } catch (error) {
        outcome = error;
        throw error;
      }
    });
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(3, 1000);
      await begun.promise;
      throw new Error('the disk failed');
    };
    await expect(a.transport.sendSnapshot(2, meta, broken())).rejects.toThrow('the disk failed');
    await until(() => outcome !== undefined);
    expect(outcome).toBeInstanceOf(SnapshotTransferError);
  });

  it('is read from its source only as fast as the receiver takes it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    b.transport.onSnapshot(async (_from, _meta, contents) => {
      await promise;
      for await (const piece of contents) void piece;
    });
    let taken = 0;
    const sending = a.transport.sendSnapshot(
      2,
      meta,
      pieces(2000, 100_000, (index) => (taken = index)),
    );
    for (let turns = 0, last = -1; turns < 50; turns = last === taken ? turns + 1 : 0) {
      last = taken;
      await new Promise((later) => setTimeout(later, 2));
    }
    // Of 200 MB: 1 MiB on each side, and what the system's sockets hold.
    expect(taken).toBeLessThan(300);
    a.transport.send([heartbeat(1, 2, 5)]);
    await until(() => b.got.length === 1);
    resolve();
    await sending;
    expect(taken).toBe(1999);
  });

  it('fails at both ends when the connection is lost, and its source is ended', async () => {
    const { tap, port } = await Tap.open(Number(new URL(b.address.clusterAddress).port));
    cluster.onClose(() => tap.close());
    a.transport.setPeers(new Map([[1, a.address], [2, addressAt('b', port)]])); // prettier-ignore
    let received: unknown;
    b.transport.onSnapshot(async (_from, _meta, contents) => {
      try {
        for await (const piece of contents) if (piece.length > 0) tap.cut();
      } catch (error) {
        received = error;
        throw error;
      }
    });
    let ended = false;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(5000, 100_000);
      } finally {
        ended = true;
      }
    };
    await expect(a.transport.sendSnapshot(2, meta, source())).rejects.toThrow(SnapshotTransferError);
    await until(() => received !== undefined);
    expect(received).toBeInstanceOf(SnapshotTransferError);
    expect(ended).toBe(true);
  });

  it('fails where the peer is unknown, away, or this node is closed', async () => {
    keep();
    await expect(a.transport.sendSnapshot(9, meta, pieces(1, 1))).rejects.toThrow(SnapshotTransferError);
    await b.transport.close();
    await expect(a.transport.sendSnapshot(2, meta, pieces(1, 1))).rejects.toThrow('cannot reach the peer');
    await a.transport.close();
    await expect(a.transport.sendSnapshot(2, meta, pieces(1, 1))).rejects.toThrow('closed');
  });

  it('that is under way ends when this node closes', async () => {
    const begun = Promise.withResolvers<void>();
    b.transport.onSnapshot((_from, _meta, contents) => {
      begun.resolve();
      void contents;
      return new Promise(() => undefined);
    });
    const outcome = expect(a.transport.sendSnapshot(2, meta, pieces(5000, 100_000))).rejects.toThrow(
      SnapshotTransferError,
    );
    await begun.promise;
    await a.transport.close();
    await outcome;
  });

  describe('from a client that is out to break it', () => {
    let client: RawClient;
    let outcome: unknown;
    beforeEach(async () => {
      outcome = undefined;
      b.transport.onSnapshot(async (_from, _meta, contents) => {
        try {
          for await (const piece of contents) void piece;
          outcome = 'complete';
        } catch (error) {
          outcome = error;
          throw error;
        }
      });
      client = await cluster.rawClient(b.address, 'a', 'coffer-snapshot/1');
      await client.hello('a');
    });
    const begin = (): void => {
      client.frame(
        FrameType.snapshotBegin,
        codec.encode({ kind: 'snapshot', from: 1, to: 2, term: 3, snapshot: meta }),
      );
    };
    const digest = createHash('sha256').update('contents').digest();

    it('is whole with the right length and checksum', async () => {
      begin();
      client.frame(FrameType.snapshotChunk, Buffer.from('contents'));
      client.frame(FrameType.snapshotEnd, encodeSnapshotEnd(8, digest));
      await until(() => client.closed);
      expect(outcome).toBe('complete');
      expect(client.frames.at(-1)?.type).toBe(FrameType.snapshotInstalled);
    });

    it.each([
      ['contents', 'c0ntents', 8],
      ['contents that were cut off', 'content', 8],
      ['a length', 'contents', 9],
    ])('is refused with wrong %s', async (_name, contents, length) => {
      begin();
      client.frame(FrameType.snapshotChunk, Buffer.from(contents));
      client.frame(FrameType.snapshotEnd, encodeSnapshotEnd(length, digest));
      await until(() => client.closed);
      expect(outcome).toBeInstanceOf(SnapshotTransferError);
      expect(client.frames.at(-1)?.type).toBe(FrameType.snapshotFailed);
    });

    it('is refused without its end', async () => {
      begin();
      client.frame(FrameType.snapshotChunk, Buffer.from('contents'));
      client.socket.end();
      await until(() => outcome !== undefined);
      expect(outcome).toBeInstanceOf(SnapshotTransferError);
    });

    it.each([
      [
        'goes on after its end',
        [FrameType.snapshotEnd, encodeSnapshotEnd(0, createHash('sha256').digest())],
        [FrameType.snapshotChunk, Buffer.from('x')],
      ],
      ['begins twice', [FrameType.snapshotBegin, Buffer.from('x')]],
      ['has a piece that is too long', [FrameType.snapshotChunk, new Uint8Array(2_000_000)]],
      ['has a malformed end', [FrameType.snapshotEnd, new Uint8Array(3)]],
    ] as [string, ...[number, Uint8Array][]][])('ends the connection where it %s', async (_name, ...frames) => {
      begin();
      for (const [type, payload] of frames) client.frame(type, payload);
      await until(() => client.closed);
      expect(client.frames.map(({ type }) => type)).not.toContain(FrameType.snapshotInstalled);
    });

    it.each([
      ['a piece', FrameType.snapshotChunk, Buffer.from('x')],
      ['noise', FrameType.snapshotBegin, Buffer.from('noise')],
      ['another message', FrameType.snapshotBegin, codec.encode(heartbeat(1, 2, 1))],
      [
        'the name of another peer',
        FrameType.snapshotBegin,
        codec.encode({ kind: 'snapshot', from: 2, to: 2, term: 3, snapshot: meta }),
      ],
    ])('ends the connection where it begins with %s', async (_name, type, payload) => {
      client.frame(type, payload);
      await until(() => client.closed);
      expect(outcome).toBeUndefined();
    });
  });
});
