import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InstanceDiscovery } from '@coffer/cluster';
import { Secret } from '@coffer/kernel';
import { runningInstances } from './aws-instances.ts';

/** What stands for EC2 here; moto does in e2e/clients. */
interface Asked {
  readonly method: string;
  readonly url: string;
  readonly form: URLSearchParams;
  readonly authorization: string;
}

let endpoint: string;
let query: InstanceDiscovery;
let answers: { readonly status: number; readonly body: string }[] = [];
let asked: Asked[] = [];
let close: () => void;

beforeAll(async () => {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({ method, url, form: new URLSearchParams(body), authorization: headers.authorization ?? '' });
      const answer = answers.shift() ?? { status: 400, body: '' };
      response.writeHead(answer.status).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  query = {
    provider: 'aws',
    tagKey: 'app',
    tagValue: 'coffer',
    region: 'eu-central-1',
    addressType: 'private_v4',
    endpoint,
    credentials: { accessKeyId: 'an-id', secretAccessKey: new Secret('canary'), sessionToken: new Secret('canary-2') },
  };
});

beforeEach(() => {
  answers = [];
  asked = [];
});

afterAll(() => close());

const page = (instances: readonly string[], more = ''): string => `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet>
<item><reservationId>r-1</reservationId><instancesSet>${instances.join('')}</instancesSet></item></reservationSet>
${more === '' ? '' : `<nextToken>${more}</nextToken>`}</DescribeInstancesResponse>`;
const instance = (fields: string): string => `<item><instanceId>i-1</instanceId>${fields}</item>`;
const interfaces = (...addresses: readonly string[]): string =>
  `<networkInterfaceSet><item><ipv6AddressesSet>${addresses.map((address) => `<item><ipv6Address>${address}</ipv6Address></item>`).join('')}</ipv6AddressesSet></item></networkInterfaceSet>`;

const private4 = instance('<privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>192.0.2.1</ipAddress>');
const dual = instance(`<privateIpAddress>10.0.0.2</privateIpAddress>${interfaces('2001:db8::1', '2001:db8::2')}`);

it('finds the private addresses of the instances with the tag, page by page', async () => {
  answers = [
    { status: 200, body: page([private4, instance('')], 'more') },
    { status: 200, body: page([dual]) },
  ];
  expect(await runningInstances(query)).toEqual([{ host: '10.0.0.1' }, { host: '10.0.0.2' }]);
  const [first, second] = asked;
  expect(first?.form.get('Action')).toBe('DescribeInstances');
  expect([first?.form.get('Filter.1.Name'), first?.form.get('Filter.1.Value.1')]).toEqual(['tag:app', 'coffer']);
  expect([first?.form.get('Filter.2.Name'), first?.form.get('Filter.2.Value.1')]).toEqual([
    'instance-state-name',
    'running',
  ]);
  expect(first?.authorization).toContain('Credential=an-id/');
  expect(first?.authorization).toContain('/eu-central-1/ec2/aws4_request');
  expect(second?.form.get('NextToken')).toBe('more');
});

it.each([
  ['public_v4', ['192.0.2.1']],
  ['public_v6', ['2001:db8::1', '2001:db8::2']],
] as const)('finds addresses of the type %s', async (addressType, expected) => {
  answers = [{ status: 200, body: page([private4, dual]) }];
  expect((await runningInstances({ ...query, addressType })).map(({ host }) => host)).toEqual(expected);
});

const refusal = (code: string, message: string): string =>
  `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r</RequestID></Response>`;

it.each([
  [403, refusal('UnauthorizedOperation', 'You are not authorized.'), 'EC2 answered 403 UnauthorizedOperation: You are'],
  [403, refusal('SignatureDoesNotMatch', 'signed was x-amz-security-token:canary-2'), 'EC2 answered 403 Signature'],
  [200, '<html', 'EC2'],
])('says what is wrong with the answer %s %j, without secrets', async (status, body, complaint) => {
  answers = [{ status, body }];
  const failure = await runningInstances(query).catch((error: unknown) => String(error));
  expect(failure).toContain(complaint);
  expect(failure).not.toContain('canary');
});

it('says that nobody answers', async () => {
  await expect(runningInstances({ ...query, endpoint: 'http://127.0.0.1:1' })).rejects.toThrow(
    /EC2 cannot be asked: .*ECONNREFUSED/,
  );
});

describe('without credentials of its own', () => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });

  it('takes those of the environment', async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'env-id', AWS_SECRET_ACCESS_KEY: 'canary' });
    answers = [{ status: 200, body: page([private4]) }];
    expect(await runningInstances({ ...query, credentials: undefined })).toEqual([{ host: '10.0.0.1' }]);
    expect(asked[0]?.authorization).toContain('Credential=env-id/');
  });

  it('says that there are none', async () => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nowhere' });
    await expect(runningInstances({ ...query, credentials: undefined })).rejects.toThrow(
      /EC2 cannot be asked: Could not load credentials/,
    );
    expect(asked).toEqual([]);
  });
});

describe('without a region', () => {
  const before = { ...process.env };
  beforeEach(() => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_EC2_METADATA_SERVICE_ENDPOINT'])
      delete process.env[name];
  });
  afterEach(() => {
    process.env = { ...before };
  });

  it('takes that of the environment', async () => {
    process.env['AWS_REGION'] = 'us-west-2';
    answers = [{ status: 200, body: page([]) }];
    expect(await runningInstances({ ...query, region: undefined })).toEqual([]);
    expect(asked[0]?.authorization).toContain('/us-west-2/ec2/');
  });

  it('takes that of this instance', async () => {
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = endpoint;
    answers = [
      { status: 200, body: 'a-metadata-token' },
      { status: 200, body: 'ap-south-1' },
      { status: 200, body: page([private4]) },
    ];
    expect(await runningInstances({ ...query, region: undefined })).toEqual([{ host: '10.0.0.1' }]);
    expect(asked.map(({ method, url }) => `${method} ${url}`).slice(0, 2)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/placement/region',
    ]);
    expect(asked[2]?.authorization).toContain('/ap-south-1/ec2/');
  });

  it('says that there is none', async () => {
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = 'http://127.0.0.1:1';
    await expect(runningInstances({ ...query, region: undefined })).rejects.toThrow('set region=… or AWS_REGION');
  });
});
