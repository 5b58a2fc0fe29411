import type { Request } from '@coffer/sdk';

/** Requests by when they came, as the pipeline holds them, in the form of `sys/in-flight-req`: by their ids. */
export function describeInFlight(requests: ReadonlyMap<Request, number>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...requests].map(([request, sinceMs]) => [
      request.id,
      {
        start_time: new Date(sinceMs).toISOString(),
        client_remote_address: request.connection.remoteAddress,
        request_path: `/v1/${request.path}`,
        request_method: request.operation,
        client_id: '',
      },
    ]),
  );
}
