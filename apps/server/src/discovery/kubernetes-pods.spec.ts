import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PodDiscovery } from '@coffer/cluster';
import { systemClock, systemRandom } from '@coffer/kernel';
import { devCertificate } from '../dev/dev-tls.ts';
import { runningPods } from './kubernetes-pods.ts';

let folder: string;
let authority: string;
let query: PodDiscovery;
let url: string;
let answers: { readonly status: number; readonly body: string }[] = [];
let asked: IncomingMessage[] = [];
let close: () => void;

/**
 * A server that stands for the API: a real one has to be built, which takes many minutes. The shape of the answers is that of
 * kube-apiserver 1.36.3, on which the same calls were tried: by kubeconfig, and by the account of a pod.
 */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-k8s-'));
  const { cert, key, caFile } = await devCertificate(folder, systemClock, systemRandom);
  const server = createServer({ cert, key }, (request, response) => {
    asked.push(request);
    const { status, body } = answers.shift() ?? { status: 500, body: 'no answer is left' };
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  query = {
    provider: 'k8s',
    namespace: 'x y',
    labelSelector: 'app=a b',
    fieldSelector: undefined,
    hostNetwork: false,
    kubeconfig: undefined,
  };
  authority = readFileSync(caFile, 'utf8');
});

beforeEach(() => {
  query = { ...query, kubeconfig: kubeconfig(authority) };
  answers = [];
  asked = [];
});

afterAll(() => {
  close();
  rmSync(folder, { recursive: true });
});

/** @returns its path */
function kubeconfig(ca: string, server = url): string {
  const file = join(folder, 'kubeconfig');
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
      users: [{ name: 'u', user: { token: 'canary-token' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return file;
}

const list = (items: readonly unknown[], more = ''): string =>
  JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '224', continue: more }, items });

const pod = (phase: string, addresses: object): object => ({
  metadata: {
    name: 'p1',
    namespace: 'coffer',
    uid: '85884534-d759-410f-a90d-a21eaa7dc16f',
    resourceVersion: '216',
    generation: 1,
    creationTimestamp: '2026-11-24T16:11:23Z',
    labels: { app: 'coffer' },
  },
  spec: {
    containers: [{ name: 'c', image: 'x', resources: {}, imagePullPolicy: 'Always' }],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    tolerations: [
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ],
  },
  status: { phase, ...addresses, qosClass: 'BestEffort' },
});

it('finds the addresses of running pods, page by page', async () => {
  answers = [
    {
      status: 200,
      body: list(
        [
          pod('Running', { podIP: '10.1.0.1', hostIP: '10.9.0.1' }),
          pod('Pending', { podIP: '10.1.0.2' }),
          pod('Running', {}),
        ],
        'more+',
      ),
    },
    { status: 200, body: list([pod('Running', { podIP: 'fd00::3' })]) },
  ];
  expect(await runningPods(query)).toEqual([{ host: '10.1.0.1' }, { host: 'fd00::3' }]);
  const [first, second] = asked.map((request) => new URL(request.url ?? '', url));
  expect(first?.pathname).toBe('/api/v1/namespaces/x%20y/pods');
  expect(Object.fromEntries(first?.searchParams ?? [])).toMatchObject({
    labelSelector: 'app=a b',
    fieldSelector: 'status.phase=Running',
  });
  expect(second?.searchParams.get('continue')).toBe('more+');
  expect(asked[0]?.headers.authorization).toBe('Bearer canary-token');
});

it('takes the addresses of their machines where the pods use those', async () => {
  answers = [{ status: 200, body: list([pod('Running', { podIP: '10.1.0.1', hostIP: '10.9.0.1' })]) }];
  const found = await runningPods({ ...query, hostNetwork: true, fieldSelector: 'spec.nodeName=n' });
  expect(found).toEqual([{ host: '10.9.0.1' }]);
  expect(new URL(asked[0]?.url ?? '', url).searchParams.get('fieldSelector')).toBe(
    'spec.nodeName=n,status.phase=Running',
  );
});

const forbidden = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'pods is forbidden: User "system:serviceaccount:x:default" cannot list resource "pods" in API group ""',
  reason: 'Forbidden',
  details: { kind: 'pods' },
  code: 403,
};

it.each([
  [403, JSON.stringify(forbidden), 'answered 403: pods is forbidden: User "system:serviceaccount:x:default" cannot'],
  [401, '', 'answered 401'],
  [200, '<html>', 'cannot be asked'],
])('says what is wrong with the answer %s %j, without secrets', async (status, body, complaint) => {
  answers = [{ status, body }];
  const failure = await runningPods(query).catch((error: unknown) => String(error));
  expect(failure).toContain(complaint);
  expect(failure).toContain(url);
  expect(failure).not.toContain('canary');
});

it('says that nobody answers', async () => {
  const unused = createServer();
  await new Promise<void>((resolve) => unused.listen(0, '127.0.0.1', resolve));
  const { port } = unused.address() as AddressInfo;
  await new Promise((resolve) => unused.close(resolve));
  const nobody = kubeconfig('', `https://127.0.0.1:${String(port)}`);
  await expect(runningPods({ ...query, kubeconfig: nobody })).rejects.toThrow('ECONNREFUSED');
});

it('trusts the API’s own authority only', async () => {
  const other = await devCertificate(undefined, systemClock, systemRandom);
  const wrong = kubeconfig(readFileSync(other.caFile, 'utf8'));
  await expect(runningPods({ ...query, kubeconfig: wrong })).rejects.toThrow(/certificate|SELF_SIGNED|UNABLE_TO/i);
  expect(asked).toEqual([]);
});

it('says what is wrong with a kubeconfig, and does not quote it', async () => {
  await expect(runningPods({ ...query, kubeconfig: join(folder, 'none') })).rejects.toThrow('ENOENT');
  const malformed = join(folder, 'malformed');
  writeFileSync(malformed, 'users: [{ token: canary-token');
  const failure = await runningPods({ ...query, kubeconfig: malformed }).catch((error: unknown) => String(error));
  expect(failure).toContain('the kubeconfig cannot be read (it is malformed)');
  writeFileSync(malformed, '{}');
  await expect(runningPods({ ...query, kubeconfig: malformed })).rejects.toThrow('provider=k8s: the kubeconfig');
});

describe('without a kubeconfig', () => {
  const { HOME, KUBECONFIG } = process.env;
  afterEach(() => {
    process.env['HOME'] = HOME;
    if (KUBECONFIG === undefined) delete process.env['KUBECONFIG'];
    else process.env['KUBECONFIG'] = KUBECONFIG;
  });

  it('takes the one that the environment names, or says that there is none', async () => {
    process.env['HOME'] = folder;
    process.env['KUBECONFIG'] = query.kubeconfig ?? '';
    answers = [{ status: 200, body: list([pod('Running', { podIP: '10.1.0.1' })]) }];
    expect(await runningPods({ ...query, kubeconfig: undefined })).toEqual([{ host: '10.1.0.1' }]);
    delete process.env['KUBECONFIG'];
    await expect(runningPods({ ...query, kubeconfig: undefined })).rejects.toThrow('this runs in no pod');
  });
});
