import { inCidrs, parseCidr } from './cidr.ts';

describe('parseCidr', () => {
  it('reads addresses and blocks', () => {
    expect(parseCidr('10.0.0.0/8')).toEqual({ address: '10.0.0.0', prefixLength: 8, family: 'ipv4' });
    expect(parseCidr('10.0.0.1')).toMatchObject({ prefixLength: 32 });
    expect(parseCidr('::1')).toMatchObject({ prefixLength: 128, family: 'ipv6' });
    expect(parseCidr('fd00::/8')).toMatchObject({ prefixLength: 8 });
  });

  it.each([
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/a',
    '10.0.0',
    '010.0.0.1',
    'host',
    '10.0.0.0/ 8',
    ' 10.0.0.1',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('inCidrs', () => {
  it.each<[string, readonly string[], boolean]>([
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['11.1.2.3', ['10.0.0.0/8'], false],
    ['10.1.2.3', ['192.168.0.0/16', '10.1.2.3'], true],
    ['10.1.2.4', ['10.1.2.3'], false],
    ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
    ['::ffff:11.1.2.3', ['10.0.0.0/8'], false],
    ['fd00::1', ['fd00::/8'], true],
    ['fe80::1', ['fd00::/8'], false],
    ['10.1.2.3', ['fd00::/8'], false],
    ['10.1.2.3', ['0.0.0.0/0'], true],
    ['::1', ['0.0.0.0/0'], false],
    ['10.1.2.3', ['bad', '/run/socket'], false],
    ['10.1.2.3', [], false],
    ['', ['0.0.0.0/0'], false],
    ['not an address', ['0.0.0.0/0', '::/0'], false],
  ])('%s in %j: %s', (address, cidrs, want) => {
    expect(inCidrs(address, cidrs)).toBe(want);
  });
});
