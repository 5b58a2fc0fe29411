import { BlockList, isIP } from 'node:net';

export interface Cidr {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** An address or block in text; undefined if it is neither. A plain address is a block of one. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const longest = version === 4 ? 32 : 128;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const prefixLength = length === undefined ? longest : Number(length);
  return prefixLength <= longest ? { address, prefixLength, family: version === 4 ? 'ipv4' : 'ipv6' } : undefined;
}

/** As it is shown: a block of one address is the address, letters of IPv6 are small. What is neither stays as it is. */
export function shortCidr(text: string): string {
  const cidr = parseCidr(text);
  if (!cidr) return text;
  return cidr.prefixLength === (cidr.family === 'ipv4' ? 32 : 128) ? cidr.address.toLowerCase() : text.toLowerCase();
}

/**
 * Whether an address lies in one of the blocks. IPv4 addresses mapped into IPv6 (`::ffff:10.0.0.1`) count as IPv4. A
 * block that cannot be read holds nothing.
 */
export function inCidrs(address: string, cidrs: readonly string[]): boolean {
  const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
  const version = isIP(plain);
  if (version === 0) return false;
  const list = new BlockList();
  for (const text of cidrs) {
    const cidr = parseCidr(text);
    if (cidr) list.addSubnet(cidr.address, cidr.prefixLength, cidr.family);
  }
  return list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}
