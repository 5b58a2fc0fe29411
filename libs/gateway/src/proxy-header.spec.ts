import { parseProxyHeader } from './proxy-header.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const v2 = (command: number, family: number, payload: Buffer): Buffer => {
  const fixed = Buffer.from([command, family, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([SIGNATURE, fixed, payload]);
};
const V4 = Buffer.from('0a010203c0a80001303901bb', 'hex');
const V6 = Buffer.from('20010db8000000000000000000000001' + '00'.repeat(16) + '303901bb', 'hex');

describe('the header of the PROXY protocol', () => {
  it('is read in version 1', () => {
    const line = 'PROXY TCP4 10.1.2.3 192.168.0.1 12345 443\r\n';
    expect(parseProxyHeader(Buffer.from(`${line}GET /`))).toEqual({
      kind: 'header',
      lengthBytes: line.length,
      source: { address: '10.1.2.3', port: 12345 },
    });
    expect(parseProxyHeader(Buffer.from('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'))).toMatchObject({
      source: { address: '2001:db8::1', port: 1 },
    });
    expect(parseProxyHeader(Buffer.from('PROXY UNKNOWN ffff:: x 1 2\r\n'))).toMatchObject({ source: undefined });
  });

  it('is read in version 2, with extensions behind the addresses', () => {
    const extended = Buffer.concat([V4, Buffer.from('04000100', 'hex')]);
    expect(parseProxyHeader(Buffer.concat([v2(0x21, 0x11, extended), Buffer.from('GET')]))).toEqual({
      kind: 'header',
      lengthBytes: 32,
      source: { address: '10.1.2.3', port: 12345 },
    });
    expect(parseProxyHeader(v2(0x21, 0x21, V6))).toMatchObject({ source: { address: '2001:db8::1', port: 12345 } });
    expect(parseProxyHeader(v2(0x20, 0x00, Buffer.alloc(0)))).toMatchObject({ kind: 'header', source: undefined });
    expect(parseProxyHeader(v2(0x21, 0x31, Buffer.alloc(216)))).toMatchObject({ kind: 'header', source: undefined });
  });

  it.each([Buffer.from('PROXY TCP4 10.1.2.3 192.168.0.1 12345 443\r\n'), v2(0x21, 0x21, V6)])(
    'is waited for to its last byte',
    (header) => {
      for (let length = 0; length < header.length; length++)
        expect(parseProxyHeader(header.subarray(0, length)).kind).toBe('incomplete');
      expect(parseProxyHeader(header).kind).toBe('header');
    },
  );

  it.each(['GET /v1/x HTTP/1.1', 'PROPFIND /', '\r\nGET', '\x16\x03\x01', 'proxy TCP4'])(
    'is absent from %j',
    (text) => {
      expect(parseProxyHeader(Buffer.from(text, 'latin1'))).toEqual({ kind: 'absent' });
    },
  );

  it.each([
    'PROXY TCP4 10.1.2.3 192.168.0.1 12345\r\n',
    'PROXY TCP4 10.1.2.3 192.168.0.1 12345 443 1\r\n',
    'PROXY TCP4 10.1.2.3 192.168.0.1 65536 443\r\n',
    'PROXY TCP4 10.1.2.3 192.168.0.1 012 443\r\n',
    'PROXY TCP4 10.1.2.3  192.168.0.1 12 443\r\n',
    'PROXY TCP4 ::1 ::1 12 443\r\n',
    'PROXY TCP6 10.1.2.3 ::1 12 443\r\n',
    'PROXY TCP4 10.1.2.300 192.168.0.1 12 443\r\n',
    'PROXY UDP4 10.1.2.3 192.168.0.1 12 443\r\n',
    'PROXY \r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
  ])('is refused as %j', (text) => {
    expect(parseProxyHeader(Buffer.from(text))).toEqual({ kind: 'malformed' });
  });

  it.each([
    v2(0x11, 0x11, V4),
    v2(0x22, 0x11, V4),
    v2(0x21, 0x12, V4),
    v2(0x21, 0x11, V4.subarray(0, 11)),
    v2(0x21, 0x21, V6.subarray(0, 35)),
    Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]),
  ])('is refused in version 2 with a wrong version, family or length', (bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: 'malformed' });
  });
});
