import {
  CodecError,
  decodeEntry,
  decodeMessage,
  encodeEntry,
  encodeMessage,
  type Entry,
  type Membership,
  type Message,
} from './index.ts';

/** A small generator with a seed (mulberry32), so that a failure comes again. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const KINDS: readonly Message['kind'][] = [
  'pre-vote',
  'pre-vote-reply',
  'vote',
  'vote-reply',
  'append',
  'append-reply',
  'heartbeat',
  'heartbeat-reply',
  'snapshot',
  'read-index',
  'read-index-reply',
  'timeout-now',
];

class Generator {
  readonly below: (below: number) => number;

  constructor(seed: number) {
    this.below = seeded(seed);
  }

  /** Of all sizes, the borders of the form among them. */
  number(): number {
    const bits = this.below(54);
    const top = 2 ** bits;
    return Math.min(Number.MAX_SAFE_INTEGER, [top - 1, top, this.below(2 ** 31) % top][this.below(3)] as number);
  }

  flag(): boolean {
    return this.below(2) === 1;
  }

  bytes(): Uint8Array {
    return Uint8Array.from({ length: this.below(300) }, () => this.below(256));
  }

  list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  membership(): Membership {
    const group = (): number[] => this.list(7, () => this.number());
    return { voters: group(), votersOutgoing: group(), learners: group(), learnersNext: group() };
  }

  entry(): Entry {
    const place = { term: this.number(), index: this.number() };
    const kind = (['data', 'empty', 'membership'] as const)[this.below(3)];
    if (kind === 'data') return { kind, ...place, data: this.bytes() };
    if (kind === 'membership') {
      if (this.flag()) return { kind, ...place, change: { kind: 'leave' } };
      const step = (): { kind: 'add-voter' | 'add-learner' | 'remove'; peer: number } => ({
        kind: (['add-voter', 'add-learner', 'remove'] as const)[this.below(3)] as 'remove',
        peer: this.number(),
      });
      return { kind, ...place, change: { kind: 'enter', steps: this.list(5, step), context: this.bytes() } };
    }
    return { kind: 'empty', ...place };
  }

  message(kind: Message['kind']): Message {
    const n = (): number => this.number();
    const head = { from: n(), to: n(), term: n() };
    switch (kind) {
      case 'pre-vote':
      case 'vote':
        return { kind, ...head, lastIndex: n(), lastTerm: n(), transfer: this.flag() };
      case 'pre-vote-reply':
      case 'vote-reply':
        return { kind, ...head, reject: this.flag() };
      case 'append':
        return { kind, ...head, prevIndex: n(), prevTerm: n(), entries: this.list(9, () => this.entry()), commit: n() };
      case 'append-reply':
        return { kind, ...head, index: n(), reject: this.flag(), hintIndex: n(), hintTerm: n() };
      case 'heartbeat':
        return { kind, ...head, commit: n(), round: n() };
      case 'heartbeat-reply':
        return { kind, ...head, round: n() };
      case 'snapshot':
        return { kind, ...head, snapshot: { index: n(), term: n(), membership: this.membership() } };
      case 'read-index':
        return { kind, ...head, request: n() };
      case 'read-index-reply':
        return { kind, ...head, request: n(), index: n(), reject: this.flag() };
      case 'timeout-now':
        return { kind, ...head };
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('the binary form of messages', () => {
  it.each(KINDS)('gives back every %s as it was', (kind) => {
    const generator = new Generator(7);
    for (let round = 0; round < 300; round++) {
      const message = generator.message(kind);
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }
  });

  it('refuses every message that was cut short or goes on', () => {
    const generator = new Generator(8);
    for (let round = 0; round < 200; round++) {
      const bytes = encodeMessage(generator.message(KINDS[round % KINDS.length] as Message['kind']));
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(CodecError);
      }
      expect(() => decodeMessage(Uint8Array.from([...bytes, 0]))).toThrow(CodecError);
    }
  });

  it('takes garbage apart or refuses it with a CodecError, and has one form for each message', () => {
    const generator = new Generator(9);
    let taken = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = encodeMessage(generator.message(KINDS[round % KINDS.length] as Message['kind']));
      for (let flips = 1 + generator.below(3); flips > 0; flips--) {
        bytes[generator.below(bytes.length)] = generator.below(256);
      }
      try {
        const message = decodeMessage(bytes);
        taken++;
        expect(hex(encodeMessage(message))).toBe(hex(bytes));
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
      }
    }
    expect(taken).toBeGreaterThan(1000);
  });

  it('refuses noise', () => {
    const generator = new Generator(10);
    for (let round = 0; round < 5000; round++) {
      const noise = generator.bytes();
      noise[0] = 1;
      try {
        decodeMessage(noise);
      } catch (error) {
        expect(error).toBeInstanceOf(CodecError);
      }
    }
  });

  it.each([
    ['nothing', ''],
    ['a version to come', '020000'],
    ['an unknown kind', '010c010101'],
    ['a number in more bytes than it needs', '010b8100010100'],
    ['a number beyond the safe integers', `010bffffffffffffff1f0101`],
    ['a number without an end', `010b${'ff'.repeat(12)}`],
    ['a flag that is neither 0 nor 1', '010101010102'],
    ['more entries than there are bytes', '010401010100 00ffffffff0f00'.replace(' ', '')],
    ['an unknown kind of entry', '0104010101000001030101ff00'],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decodeMessage(Buffer.from(bytes, 'hex'))).toThrow(CodecError);
  });

  it('keeps its form: nodes of different versions talk to each other', () => {
    const entries: Entry[] = [
      { kind: 'data', term: 3, index: 301, data: Uint8Array.of(0xca, 0xfe) },
      { kind: 'empty', term: 3, index: 302 },
      {
        kind: 'membership',
        term: 3,
        index: 303,
        change: { kind: 'enter', steps: [{ kind: 'remove', peer: 2 }], context: Uint8Array.of(9) },
      },
    ];
    const message: Message = {
      kind: 'append',
      from: 1,
      to: 2,
      term: 3,
      prevIndex: 300,
      prevTerm: 2,
      entries,
      commit: 299,
    };
    expect(hex(encodeMessage(message))).toBe('0104010203ac0202030003ad0202cafe0103ae020203af02000102020109ab02');
  });
});

describe('the binary form of entries', () => {
  it('gives back every entry as it was', () => {
    const generator = new Generator(11);
    for (let round = 0; round < 1000; round++) {
      const entry = generator.entry();
      const bytes = encodeEntry(entry);
      expect(decodeEntry(bytes)).toEqual(entry);
      const cut = generator.below(bytes.length);
      expect(() => decodeEntry(bytes.subarray(0, cut))).toThrow(CodecError);
      expect(() => decodeEntry(Uint8Array.from([...bytes, 0]))).toThrow(CodecError);
    }
  });

  it('does not copy the data', () => {
    const bytes = encodeEntry({ kind: 'data', term: 1, index: 1, data: new Uint8Array(1000) });
    const entry = decodeEntry(bytes);
    expect(entry.kind === 'data' && entry.data.buffer).toBe(bytes.buffer);
  });

  it('refuses another version', () => {
    expect(() => decodeEntry(Uint8Array.of(2, 1, 1, 1))).toThrow('unknown version of an entry');
  });
});
