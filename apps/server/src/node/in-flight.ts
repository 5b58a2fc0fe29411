import type { Operation, Request } from '@coffer/sdk';

const METHODS: Readonly<Record<Operation, string>> = {
  read: 'GET',
  list: 'LIST',
  scan: 'SCAN',
  help: 'GET',
  head: 'HEAD',
  create: 'PUT',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
};

/** Requests by when they came, as the pipeline holds them, in the form of `sys/in-flight-req`: by their ids. */
export function describeInFlight(requests: ReadonlyMap<Request, number>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...requests].map(([request, sinceMs]) => [
      request.id,
      {
        start_time: new Date(sinceMs).toISOString(),
        client_remote_address: addressOf(request),
        request_path: `/v1/${request.path}`,
        request_method: METHODS[request.operation],
        client_id: '',
      },
    ]),
  );
}

function addressOf({ connection: { remoteAddress, remotePort } }: Request): string {
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${String(remotePort)}`;
}
