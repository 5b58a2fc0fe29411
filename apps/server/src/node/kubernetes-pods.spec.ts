import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@coffer/kernel';
import { devCertificate } from '../dev/dev-tls.ts';
import { accessOfPod, runningPods } from './kubernetes-pods.ts';
import type { KubernetesAccess } from './kubernetes-pods.ts';

const query = { provider: 'k8s', namespace: 'x y', labelSelector: 'app=a b', fieldSelector: undefined } as const;

let folder: string;
let access: KubernetesAccess;
let answer: { readonly status: number; readonly body: string } = { status: 200, body: '{}' };
const asked: IncomingMessage[] = [];
let close: () => void;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-k8s-'));
  const { cert, key, caFile } = await devCertificate(folder, systemClock, systemRandom);
  const server = createServer({ cert, key }, (request, response) => {
    asked.push(request);
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => server.close();
  const { port } = server.address() as AddressInfo;
  access = { host: '127.0.0.1', port, ca: readFileSync(caFile, 'utf8'), token: 'canary-token' };
});

afterAll(() => {
  close();
  rmSync(folder, { recursive: true });
});

it('finds the addresses of running pods, as the account of this pod', async () => {
  const items = [
    { status: { phase: 'Running', podIP: '10.1.0.1' } },
    { status: { phase: 'Pending', podIP: '10.1.0.2' } },
    { status: { phase: 'Running' } },
    null,
  ];
  answer = { status: 200, body: JSON.stringify({ items }) };
  expect(await runningPods(query, access)).toEqual([{ host: '10.1.0.1' }]);
  const [request] = asked;
  expect(request?.url).toBe('/api/v1/namespaces/x%20y/pods?labelSelector=app%3Da+b');
  expect(request?.headers.authorization).toBe('Bearer canary-token');
});

it.each([
  [403, '{}', 'the Kubernetes API answered 403'],
  [200, '<html>', 'did not answer with JSON'],
  [200, '{}', 'did not answer with a list of pods'],
])('says what is wrong with the answer %s %j, without secrets', async (status, body, complaint) => {
  answer = { status, body };
  const failure = await runningPods(query, access).catch((error: unknown) => String(error));
  expect(failure).toContain(complaint);
  expect(failure).not.toContain('canary');
});

it('trusts the API’s own authority only', async () => {
  const other = await devCertificate(undefined, systemClock, systemRandom);
  await expect(runningPods(query, { ...access, ca: readFileSync(other.caFile, 'utf8') })).rejects.toThrow();
});

it('says that it works in a pod only', async () => {
  await expect(accessOfPod({})).rejects.toThrow('KUBERNETES_SERVICE_HOST is not set');
});
