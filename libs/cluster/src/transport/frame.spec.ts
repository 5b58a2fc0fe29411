import { FrameReader } from './frame.ts';
import { ProtocolError } from './protocol-error.ts';

function frame(type: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(payload.length + 1);
  header[4] = type;
  return Buffer.concat([header, payload]);
}

function reading(payloadBytesMax: number): { reader: FrameReader; frames: [number, string][] } {
  const frames: [number, string][] = [];
  const reader = new FrameReader(payloadBytesMax, (type, payload) => {
    frames.push([type, Buffer.from(payload).toString('latin1')]);
  });
  return { reader, frames };
}

describe('FrameReader', () => {
  const sent = ['', 'a', 'bc', 'x'.repeat(700), '', 'y'.repeat(33)];
  const stream = Buffer.concat(sent.map((text, index) => frame(index, Buffer.from(text))));
  const expected = sent.map((text, index) => [index, text]);

  it.each([1, 2, 3, 4, 5, 6, 7, 64, 709, 4096])('reads the same frames in pieces of %d bytes', (size) => {
    const { reader, frames } = reading(1000);
    for (let offset = 0; offset < stream.length; offset += size) reader.push(stream.subarray(offset, offset + size));
    expect(frames).toEqual(expected);
  });

  it('hands out nothing of a frame that is cut off', () => {
    const { reader, frames } = reading(1000);
    reader.push(frame(1, Buffer.alloc(100)).subarray(0, 104));
    expect(frames).toEqual([]);
  });

  it.each([
    ['empty', Buffer.from([0, 0, 0, 0, 1])],
    ['longer than allowed', Buffer.from([0, 0, 0, 102, 1])],
    ['as long as can be', Buffer.from([0xff, 0xff, 0xff, 0xff, 1])],
  ])('refuses a frame that is %s before it arrives, in one piece or byte by byte', (_name, header) => {
    expect(() => reading(100).reader.push(header)).toThrow(ProtocolError);
    const { reader } = reading(100);
    expect(() => {
      for (const byte of header) reader.push(Buffer.from([byte]));
    }).toThrow(ProtocolError);
  });

  it('accepts a frame of exactly the allowed length', () => {
    const { reader, frames } = reading(100);
    reader.push(frame(1, Buffer.alloc(100, 'z')));
    expect(frames).toEqual([[1, 'z'.repeat(100)]]);
  });

  it('takes no memory for what is only claimed', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 50 }, () => {
      const { reader } = reading(1 << 30);
      reader.push(Buffer.from([0x3f, 0xff, 0xff, 0xff, 1, 2, 3]));
      return reader;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    expect(readers).toHaveLength(50);
  });

  it('tells nothing more after a stop, not even of the same piece', () => {
    const frames: number[] = [];
    const reader = new FrameReader(1000, (type) => {
      frames.push(type);
      if (type === 1) reader.stop();
    });
    reader.push(stream);
    reader.push(stream);
    expect(frames).toEqual([0, 1]);
  });
});
