import { inspect } from 'node:util';
import { silentLog } from '@coffer/kernel';
import type { JoinTarget } from '../cluster.ts';
import { recordingLog } from '../transport/test-transport.fixture.ts';
import { parseDiscovery, refuseLocalSettings, type JoinSource } from './join-source.ts';
import { JoinTargets, type Directories } from './join-targets.ts';

const pods = {
  provider: 'k8s',
  namespace: 'default',
  labelSelector: '',
  fieldSelector: undefined,
  kubeconfig: undefined,
  hostNetwork: false,
};

const instances = {
  provider: 'aws',
  tagKey: 'app',
  tagValue: 'a b',
  region: undefined,
  addressType: 'private_v4',
  endpoint: undefined,
  credentials: undefined,
};

describe('auto_join', () => {
  it.each([
    ['provider=dns name=c.example', { provider: 'dns', name: 'c.example', srv: false }],
    ['  name="c.example"   type=srv provider=dns ', { provider: 'dns', name: 'c.example', srv: true }],
    [
      'provider=k8s label_selector="app=vault,component in (server)" namespace=x',
      { ...pods, namespace: 'x', labelSelector: 'app=vault,component in (server)' },
    ],
    [
      'provider=k8s field_selector="a=\\"b\\"" kubeconfig=/k host_network=true',
      { ...pods, fieldSelector: 'a="b"', kubeconfig: '/k', hostNetwork: true },
    ],
    ['provider=aws tag_key=app tag_value="a b"', instances],
    [
      'provider=aws tag_key=app tag_value="a b" region=eu-central-1 addr_type=public_v6 endpoint=http://127.0.0.1:1 service=ec2',
      { ...instances, region: 'eu-central-1', addressType: 'public_v6', endpoint: 'http://127.0.0.1:1' },
    ],
  ])('reads %j', (text, expected) => {
    expect(parseDiscovery(text)).toEqual(expected);
  });

  it.each([
    ['', 'expected "provider=dns'],
    ['name=x', 'expected "provider=dns'],
    ['provider=gce project_name=x', 'the provider "gce" is not available: expected dns, k8s or aws'],
    ['provider=azure', 'the provider "azure" is not available'],
    ['provider=aws region=eu', 'expected tag_key=… and tag_value=…'],
    ['provider=aws tag_key=a', 'expected tag_key=… and tag_value=…'],
    ['provider=aws tag_key=a tag_value=b addr_type=v6', 'expected addr_type=… to be private_v4, public_v4, public_v6'],
    ['provider=aws tag_key=a tag_value=b region=evil.example/', 'expected region=… to be a region'],
    ['provider=aws tag_key=a tag_value=b endpoint=10.0.0.1', 'expected endpoint=… to be an address'],
    ['provider=aws tag_key=a tag_value=b service=ecs', 'expected service=ec2'],
    ['provider=aws tag_key=a tag_value=b access_key_id=x', 'expected access_key_id and secret_access_key together'],
    ['provider=aws tag_key=a tag_value=b session_token=x', 'expected access_key_id and secret_access_key together'],
    ['provider=aws tag_key=a tag_value=b ecs_cluster=x', '"ecs_cluster" is not known'],
    ['provider=acme', 'the provider "acme" is not known'],
    ['provider=dns', 'expected name=…'],
    ['provider=dns name=', 'expected name=…'],
    ['provider=dns name=x type=mx', 'expected type=a or type=srv'],
    ['provider=dns name=x colour=red', '"colour" is not known'],
    ['provider=k8s host_network=perhaps', 'expected host_network=true or host_network=false'],
    ['provider=k8s pod=x', '"pod" is not known'],
    ['provider=dns name=x name=y', '"name" is given twice'],
    ['provider=dns name="x', 'expected pairs'],
    ['provider', 'expected pairs'],
    ['provider=dns name=x"y', 'expected pairs'],
  ])('refuses %j', (text, complaint) => {
    expect(() => parseDiscovery(text)).toThrow(complaint);
  });
});

it('keeps the credentials of auto_join where nothing prints them', () => {
  const discovery = parseDiscovery(
    'provider=aws tag_key=a tag_value=b access_key_id=id secret_access_key=canary-1 session_token=canary-2',
  );
  expect(inspect(discovery, { depth: null }) + JSON.stringify(discovery)).not.toContain('canary');
  if (discovery.provider !== 'aws') throw new Error('another provider');
  const { accessKeyId, secretAccessKey, sessionToken } = discovery.credentials ?? {};
  expect([accessKeyId, secretAccessKey?.reveal(), sessionToken?.reveal()]).toEqual(['id', 'canary-1', 'canary-2']);
  for (const text of ['secret_access_key=canary', 'tag_key=a tag_value=b access_key_id=x secret_access_key="canary'])
    expect(() => parseDiscovery(`provider=aws ${text}`)).toThrow(expect.not.stringContaining('canary') as Error);
});

it.each([['provider=k8s kubeconfig=/x'], ['provider=aws tag_key=a tag_value=b endpoint=http://x']])(
  'lets nobody without a token set files and addresses: %j',
  (text) => {
    expect(() => refuseLocalSettings(parseDiscovery(text))).toThrow('by retry_join in the configuration only');
  },
);

it('lets anybody name what a node may be told', () => {
  for (const text of ['provider=dns name=x', 'provider=k8s', 'provider=aws tag_key=a tag_value=b'])
    expect(() => refuseLocalSettings(parseDiscovery(text))).not.toThrow();
});

describe('the nodes to join', () => {
  const known: Record<string, readonly string[]> = { one: ['10.0.0.1'], many: ['10.0.0.1', '10.0.0.2', '::1'] };
  const directories: Directories = {
    addresses: (name) => {
      const found = known[name];
      return found === undefined ? Promise.reject(new Error(`no such name: ${name}`)) : Promise.resolve(found);
    },
    services: () => Promise.resolve([{ host: 'a.example', port: 8300 }]),
    pods: ({ namespace }) => Promise.resolve(namespace === 'x' ? [{ host: '10.1.0.1' }, { host: 'fd00::1' }] : []),
    instances: ({ tagValue }) => Promise.resolve([{ host: tagValue }]),
  };
  const targets = (...sources: readonly JoinSource[]): Promise<readonly JoinTarget[]> =>
    new JoinTargets(sources, directories, silentLog).now();
  const at = (leaderApiAddress: string): JoinSource => ({ kind: 'address', target: { leaderApiAddress } });
  const discover = (text: string, target = {}): JoinSource => ({
    kind: 'discover',
    discover: parseDiscovery(text),
    scheme: 'https',
    port: 8200,
    target,
  });

  it('are each of the addresses of a name, which stays the name', async () => {
    expect(await targets(at('https://many:8200'), at('https://one:8200'), at('http://10.9.9.9:1'))).toEqual([
      { leaderApiAddress: 'https://many:8200', address: '10.0.0.1' },
      { leaderApiAddress: 'https://many:8200', address: '10.0.0.2' },
      { leaderApiAddress: 'https://many:8200', address: '::1' },
      { leaderApiAddress: 'https://one:8200' },
      { leaderApiAddress: 'http://10.9.9.9:1' },
    ]);
  });

  it('are still asked where their name is not found now', async () => {
    expect(await targets(at('https://unknown:8200'), discover('provider=dns name=unknown'))).toEqual([
      { leaderApiAddress: 'https://unknown:8200' },
    ]);
  });

  it('are found by DNS, with certificates for the name that was asked for', async () => {
    expect(await targets(discover('provider=dns name=many', { caCertificate: 'x' }))).toEqual([
      { caCertificate: 'x', leaderApiAddress: 'https://10.0.0.1:8200', tlsServerName: 'many' },
      { caCertificate: 'x', leaderApiAddress: 'https://10.0.0.2:8200', tlsServerName: 'many' },
      { caCertificate: 'x', leaderApiAddress: 'https://[::1]:8200', tlsServerName: 'many' },
    ]);
    expect(await targets(discover('provider=dns name=s type=srv', { tlsServerName: 'own' }))).toEqual([
      { leaderApiAddress: 'https://a.example:8300', tlsServerName: 'own' },
    ]);
  });

  it('are found among pods', async () => {
    expect(await targets(discover('provider=k8s namespace=x'))).toEqual([
      { leaderApiAddress: 'https://10.1.0.1:8200' },
      { leaderApiAddress: 'https://[fd00::1]:8200' },
    ]);
    expect(await targets(discover('provider=k8s'))).toEqual([]);
  });

  it('are found among instances', async () => {
    expect(await targets(discover('provider=aws tag_key=a tag_value=10.2.0.1'))).toEqual([
      { leaderApiAddress: 'https://10.2.0.1:8200' },
    ]);
  });

  it('are looked for anew each time, and trouble with that is told once until it changes', async () => {
    const { log, lines } = recordingLog();
    let answer: () => Promise<readonly string[]> = () => Promise.reject(new Error('no such name'));
    const moody: Directories = { ...directories, addresses: () => answer() };
    const source = discover('provider=dns name=c');
    const looking = new JoinTargets([source], moody, log);
    const found = async (): Promise<number> => (await looking.now()).length;
    expect([await found(), await found()]).toEqual([0, 0]);
    answer = () => Promise.resolve([]);
    expect([await found(), await found()]).toEqual([0, 0]);
    answer = () => Promise.resolve(['10.0.0.1']);
    expect(await found()).toBe(1);
    answer = () => Promise.resolve([]);
    expect(await found()).toBe(0);
    expect(lines.map(({ message }) => message)).toEqual([
      'cannot find out where the nodes to join are',
      'the directory names no node to join',
      'the directory names no node to join',
    ]);
    expect(lines[0]?.fields).toMatchObject({ what: 'provider=dns' });
  });
});
