import type { Request } from '@coffer/sdk';
import { describeInFlight } from './in-flight.ts';

const request = (id: string, operation: string, remoteAddress: string): Request =>
  ({ id, operation, path: 'secret/a', connection: { remoteAddress, remotePort: 99 } }) as unknown as Request;

describe('the requests in flight', () => {
  it('are told in the terms of HTTP', () => {
    const requests = [request('a', 'read', '10.0.0.1'), request('b', 'update', '::1')] as const;
    expect(describeInFlight(new Map(requests.map((each) => [each, 0])))).toEqual({
      a: {
        start_time: '1970-01-01T00:00:00.000Z',
        client_remote_address: '10.0.0.1:99',
        request_path: '/v1/secret/a',
        request_method: 'GET',
        client_id: '',
      },
      b: expect.objectContaining({ client_remote_address: '[::1]:99', request_method: 'PUT' }),
    });
  });
});
