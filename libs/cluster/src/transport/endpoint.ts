/** Where to listen or to dial. An IPv6 address is without its brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Reads a cluster address (`https://10.0.0.1:8201`, or without the scheme). @throws RangeError */
export function endpointOf(clusterAddress: string): Endpoint {
  const text = clusterAddress.includes('://') ? clusterAddress : `https://${clusterAddress}`;
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new RangeError('a cluster address is like https://10.0.0.1:8201');
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 443 : Number(url.port) };
}

/** Reads `host:port`; without a host (`:8201`) it stands for every address. @throws RangeError */
export function listenEndpoint(listenAddress: string): Endpoint {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(listenAddress);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new RangeError('a listen address is like 0.0.0.0:8201 or [::]:8201');
  return { host: match[1] ?? (match[2] === undefined || match[2] === '' ? '::' : match[2]), port };
}
