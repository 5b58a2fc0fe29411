import { ERRORS, RequestError, badRequest } from './errors.ts';
import type { ErrorCode } from './errors.ts';

describe('RequestError', () => {
  it('has the status and text of its code, and shows no cause', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const error = new RequestError(code, undefined, { cause: new Error('secret cause') });
      expect(error.status).toBe(ERRORS[code].status);
      expect(error.clientTexts).toEqual(ERRORS[code].text === '' ? [] : [ERRORS[code].text]);
      expect(JSON.stringify([error.message, error.clientTexts])).not.toContain('secret cause');
      expect(error.cause).toMatchObject({ message: 'secret cause' });
    }
  });

  it('tells strangers, wrong tokens and missing rights the same', () => {
    const told = (['missing-token', 'invalid-token', 'permission-denied'] as const).map((code) => {
      const { status, clientTexts } = new RequestError(code);
      return JSON.stringify({ status, clientTexts });
    });
    expect(new Set(told).size).toBe(1);
  });

  it('takes one text or several, and what goes with them', () => {
    expect(badRequest('a').clientTexts).toEqual(['a']);
    const error = new RequestError('standby', ['a', 'b'], { retryAfterSeconds: 3, data: { x: 1 } });
    expect(error).toMatchObject({ clientTexts: ['a', 'b'], message: 'a; b', retryAfterSeconds: 3, data: { x: 1 } });
    expect(Object.hasOwn(error, 'cause')).toBe(false);
  });
});
