import { clientAddress } from './client-address.ts';

const RULES = { authorizedCidrs: ['10.0.0.0/8'], hopSkips: 0, rejectNotPresent: true, rejectNotAuthorized: true };

describe("the client's address", () => {
  it('is the peer where no proxy is trusted', () => {
    expect(clientAddress('1.2.3.4', '9.9.9.9', undefined)).toEqual({ address: '1.2.3.4' });
    expect(clientAddress('1.2.3.4', '9.9.9.9', { ...RULES, authorizedCidrs: [] })).toEqual({ address: '1.2.3.4' });
  });

  it('is the last that a trusted proxy names, after those to be skipped', () => {
    expect(clientAddress('10.0.0.1', '6.6.6.6, 9.9.9.9', RULES)).toEqual({ address: '9.9.9.9' });
    expect(clientAddress('::ffff:10.0.0.1', ['6.6.6.6', '9.9.9.9'], RULES)).toEqual({ address: '9.9.9.9' });
    expect(clientAddress('10.0.0.1', '6.6.6.6,10.0.0.2', { ...RULES, hopSkips: 1 })).toEqual({ address: '6.6.6.6' });
    expect(clientAddress('10.0.0.1', '6.6.6.6', { ...RULES, hopSkips: 1 })).toHaveProperty('refuse');
    expect(clientAddress('10.0.0.1', 'nobody', RULES)).toHaveProperty('refuse');
    expect(clientAddress('10.0.0.1', '', RULES)).toHaveProperty('refuse');
  });

  it('from a stranger or without the header is refused, or the peer', () => {
    expect(clientAddress('1.2.3.4', '9.9.9.9', RULES)).toHaveProperty('refuse');
    expect(clientAddress('10.0.0.1', undefined, RULES)).toHaveProperty('refuse');
    const lenient = { ...RULES, rejectNotAuthorized: false, rejectNotPresent: false };
    expect(clientAddress('1.2.3.4', '9.9.9.9', lenient)).toEqual({ address: '1.2.3.4' });
    expect(clientAddress('10.0.0.1', undefined, lenient)).toEqual({ address: '10.0.0.1' });
  });
});
