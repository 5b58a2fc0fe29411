import { decodeHello, decodeRefusal, encodeHello, encodeRefusal, REFUSALS } from './hello.ts';

const HELLO = {
  clusterId: 'c',
  nodeId: 'n',
  clusterAddress: 'https://10.0.0.1:8201',
  apiAddress: 'https://10.0.0.1:8200',
  requestsMax: 16,
  payloadBytesMax: 1 << 20,
};

/** The same with other members. */
function changed(members: Readonly<Record<string, unknown>>): Uint8Array {
  const fields = JSON.parse(Buffer.from(encodeHello(HELLO)).toString()) as Record<string, unknown>;
  return Buffer.from(JSON.stringify({ ...fields, ...members }));
}

describe('a hello', () => {
  it('arrives as it was sent, with or without a number', () => {
    expect(decodeHello(encodeHello(HELLO))).toEqual(HELLO);
    expect(decodeHello(encodeHello({ ...HELLO, peer: 7 }))).toEqual({ ...HELLO, peer: 7 });
  });

  it('of a later program, which says more, is understood: nodes of two versions work together', () => {
    expect(decodeHello(changed({ colour: 'blue', features: ['x'] }))).toEqual(HELLO);
  });

  it('of another protocol is told from one that is malformed', () => {
    expect(decodeHello(changed({ v: 2 }))).toBeUndefined();
    for (const members of [{ cluster: 1 }, { window: 0 }, { bytes: 1.5 }, { node: 'x'.repeat(513) }])
      expect(() => decodeHello(changed(members))).toThrow('a malformed hello');
    for (const text of ['', '[]', 'null', '{']) expect(() => decodeHello(Buffer.from(text))).toThrow('malformed');
  });

  it('or a refusal', () => {
    for (const refusal of REFUSALS) expect(decodeRefusal(encodeRefusal(refusal))).toBe(refusal);
    for (const bytes of [[], [99], [0, 0]]) expect(() => decodeRefusal(Uint8Array.from(bytes))).toThrow('malformed');
  });
});
