import { silentLog } from '@coffer/kernel';
import type { JoinTarget } from '../cluster.ts';
import { parseDiscovery, type JoinSource } from './join-source.ts';
import { JoinTargets, type Directories } from './join-targets.ts';

describe('auto_join', () => {
  it.each([
    ['provider=dns name=c.example', { provider: 'dns', name: 'c.example', srv: false }],
    ['  name="c.example"   type=srv provider=dns ', { provider: 'dns', name: 'c.example', srv: true }],
    [
      'provider=k8s label_selector="app=vault,component in (server)" namespace=x',
      { provider: 'k8s', namespace: 'x', labelSelector: 'app=vault,component in (server)', fieldSelector: undefined },
    ],
    [
      'provider=k8s field_selector="a=\\"b\\""',
      { provider: 'k8s', namespace: 'default', labelSelector: '', fieldSelector: 'a="b"' },
    ],
  ])('reads %j', (text, expected) => {
    expect(parseDiscovery(text)).toEqual(expected);
  });

  it.each([
    ['', 'expected "provider=dns'],
    ['name=x', 'expected "provider=dns'],
    ['provider=aws region=eu', 'the provider "aws" is not available: expected dns or k8s'],
    ['provider=acme', 'the provider "acme" is not known'],
    ['provider=dns', 'expected name=…'],
    ['provider=dns name=', 'expected name=…'],
    ['provider=dns name=x type=mx', 'expected type=a or type=srv'],
    ['provider=dns name=x colour=red', '"colour" is not known'],
    ['provider=k8s kubeconfig=/x', '"kubeconfig" is not known'],
    ['provider=dns name=x name=y', '"name" is given twice'],
    ['provider=dns name="x', 'expected pairs'],
    ['provider', 'expected pairs'],
    ['provider=dns name=x"y', 'expected pairs'],
  ])('refuses %j', (text, complaint) => {
    expect(() => parseDiscovery(text)).toThrow(complaint);
  });
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
});
