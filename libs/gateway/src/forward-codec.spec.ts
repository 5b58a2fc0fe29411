import { Secret } from '@coffer/kernel';
import type { Request } from '@coffer/sdk';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from './forward-codec.ts';

const { signal } = new AbortController();
const REQUEST = {
  id: 'id',
  operation: 'update',
  namespace: { id: 'root', path: '' },
  path: 'secret/a',
  data: {},
  headers: { 'content-type': 'application/json' },
  connection: { remoteAddress: '10.0.0.1', remotePort: 7, clientCertificates: [new Uint8Array([1, 2, 255])] },
  deadlineMs: 5000,
  signal,
  noForwarding: false,
  allowStale: false,
  token: new Secret('s.token'),
  wrapTtlSeconds: 60,
} as unknown as Request;

describe('requests between nodes', () => {
  it('arrive as they were sent, with what is left of their time', () => {
    const rawBody = Buffer.from('{"n":12345678901234567890}');
    const decoded = decodeRequest(encodeRequest({ ...REQUEST, rawBody }, 2000), 100, signal);
    expect(decoded).toMatchObject({
      path: 'secret/a',
      connection: { remoteAddress: '10.0.0.1', remotePort: 7 },
      deadlineMs: 3100,
      noForwarding: true,
      wrapTtlSeconds: 60,
    });
    expect(JSON.stringify(decoded.data)).toBe('{"n":12345678901234567890}');
    expect([...(decoded.connection.clientCertificates?.[0] ?? [])]).toEqual([1, 2, 255]);
    expect(decoded.token?.reveal()).toBe('s.token');
    expect(Buffer.from(decoded.rawBody ?? []).toString()).toBe(rawBody.toString());
  });

  it('carry data that has no body in JSON', () => {
    const read = { ...REQUEST, data: { version: '2' } };
    expect({ ...decodeRequest(encodeRequest(read, 0), 0, signal).data }).toEqual({ version: '2' });
    const form = {
      ...read,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      rawBody: Buffer.from('version=2'),
    };
    expect({ ...decodeRequest(encodeRequest(form, 0), 0, signal).data }).toEqual({ version: '2' });
    expect(decodeRequest(encodeRequest(REQUEST, 9000), 100, signal).deadlineMs).toBe(100);
  });

  it('are bound by the limits of the listener that took them in, not by others over there', () => {
    const depth = 400;
    const rawBody = Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    const decoded = decodeRequest(encodeRequest({ ...REQUEST, rawBody }, 0), 0, signal);
    expect(JSON.stringify(decoded.data)).toBe(rawBody.toString());
  });

  it('ask for the same state and the same client as where they came in', () => {
    const asked = { ...REQUEST, requiredState: 'djE6', whenBehind: 'forward', toActive: true } as const;
    expect(decodeRequest(encodeRequest(asked, 0), 0, signal)).toMatchObject({
      requiredState: 'djE6',
      whenBehind: 'forward',
      toActive: true,
      connection: { remoteAddress: '10.0.0.1' },
    });
  });

  it('are refused cut short or garbled, without a word of what was in them', () => {
    const whole = encodeRequest(REQUEST, 0);
    for (let length = 0; length < whole.length; length += 7)
      expect(() => decodeRequest(whole.subarray(0, length), 0, signal)).toThrow('cut short');
    for (const header of ['{"token":"s.secret"', 'null', 's.secret']) {
      const frame = Buffer.concat([Buffer.from([0, 0, 0, header.length]), Buffer.from(header)]);
      expect(() => decodeRequest(frame, 0, signal)).toThrow(/^a forwarded message has a malformed header$/);
    }
  });
});

describe('answers between nodes', () => {
  it('arrive as they were sent', () => {
    for (const body of ['{"a":"é"}', '', undefined]) {
      const answer = decodeAnswer(encodeAnswer({ status: 200, headers: { 'x-a': 'b' }, body }));
      expect(answer).toMatchObject({ status: 200, headers: { 'x-a': 'b' } });
      expect(answer.body === undefined ? undefined : Buffer.from(answer.body as Uint8Array).toString()).toBe(body);
    }
    expect(() => decodeAnswer(Buffer.from('??'))).toThrow('cut short');
  });
});
