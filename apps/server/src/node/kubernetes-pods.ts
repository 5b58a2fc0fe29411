import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import type { Discovery, Place } from '@coffer/cluster';

/** Where Kubernetes puts a pod's own account. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const TIMEOUT_MS = 5000;

/** The API server, and who asks it. */
export interface KubernetesAccess {
  readonly host: string;
  readonly port: number;
  /** PEM of the API server's authority. */
  readonly ca: string;
  readonly token: string;
}

/** What the pod that this runs in was given. @throws Error outside of a pod */
export async function accessOfPod(env: Readonly<Record<string, string | undefined>>): Promise<KubernetesAccess> {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = Number(env['KUBERNETES_SERVICE_PORT'] ?? '443');
  if (host === undefined || host === '') {
    throw new Error('provider=k8s works in a pod: KUBERNETES_SERVICE_HOST is not set');
  }
  // Read each time: Kubernetes replaces the token every hour.
  const [ca, token] = await Promise.all([readFile(`${ACCOUNT}/ca.crt`, 'utf8'), readFile(`${ACCOUNT}/token`, 'utf8')]);
  return { host, port, ca, token: token.trim() };
}

/**
 * The running pods that the selectors find: one read of the API's list of pods, which the pod's account must be allowed
 * (`get` and `list` on `pods`).
 *
 * @throws Error where the API does not answer as expected; it carries no secret
 */
export async function runningPods(
  query: Discovery & { readonly provider: 'k8s' },
  access: KubernetesAccess,
): Promise<readonly Place[]> {
  const path = new URL(`https://api/api/v1/namespaces/${encodeURIComponent(query.namespace)}/pods`);
  if (query.labelSelector !== '') path.searchParams.set('labelSelector', query.labelSelector);
  if (query.fieldSelector !== undefined) path.searchParams.set('fieldSelector', query.fieldSelector);
  const answer = await get(path.pathname + path.search, access);
  const items = fieldOf(answer, 'items');
  if (!Array.isArray(items)) throw new Error('the Kubernetes API did not answer with a list of pods');
  return items.flatMap((pod: unknown): Place[] => {
    const status = fieldOf(pod, 'status');
    const address = fieldOf(status, 'podIP');
    const runs = fieldOf(status, 'phase') === 'Running';
    return runs && typeof address === 'string' && address !== '' ? [{ host: address }] : [];
  });
}

function get(path: string, { host, port, ca, token }: KubernetesAccess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host, port, path, ca, agent: false, timeout: TIMEOUT_MS, headers: { authorization: `Bearer ${token}` } },
      (response) => {
        const pieces: Buffer[] = [];
        let length = 0;
        response.on('data', (piece: Buffer) => {
          length += piece.length;
          if (length > ANSWER_BYTES_MAX) asked.destroy(new Error('the answer of the Kubernetes API is too long'));
          pieces.push(piece);
        });
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status !== 200) return reject(new Error(`the Kubernetes API answered ${String(status)}`));
          try {
            resolve(JSON.parse(Buffer.concat(pieces).toString('utf8')));
          } catch {
            reject(new Error('the Kubernetes API did not answer with JSON'));
          }
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('the Kubernetes API did not answer in time')));
    asked.on('error', reject);
    asked.end();
  });
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}
