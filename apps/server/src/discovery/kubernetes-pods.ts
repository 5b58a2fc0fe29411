import { ApiException, CoreV1Api, KubeConfig, Observable } from '@kubernetes/client-node';
import type { ObservableMiddleware, V1Pod } from '@kubernetes/client-node';
import type { Place, PodDiscovery } from '@coffer/cluster';
import { reasonOf } from './reason-of.ts';

const ASK_MS_MAX = 10_000;
const PODS_AT_ONCE = 200;
/** More are not read: so many nodes are never joined. */
const PODS_MAX = 2000;
const RUNNING = 'status.phase=Running';

/**
 * The running pods that the selectors find, ready or not: a node that waits to be unsealed is not. Who asks must be
 * allowed to `list` pods. Settings and account are read anew each time: Kubernetes replaces tokens every hour.
 *
 * @throws Error where the API does not answer as expected; it carries no secret
 */
export async function runningPods(query: PodDiscovery): Promise<readonly Place[]> {
  const config = accessOf(query);
  const api = config.makeApiClient(CoreV1Api);
  const signal = AbortSignal.timeout(ASK_MS_MAX);
  const places: Place[] = [];
  let more: string | undefined;
  let seen = 0;
  try {
    do {
      const page = await api.listNamespacedPod(
        {
          namespace: query.namespace,
          limit: PODS_AT_ONCE,
          fieldSelector: query.fieldSelector === undefined ? RUNNING : `${query.fieldSelector},${RUNNING}`,
          ...(query.labelSelector === '' ? {} : { labelSelector: query.labelSelector }),
          ...(more ? { _continue: more } : {}),
        },
        { middleware: [endedBy(signal)], middlewareMergeStrategy: 'append' },
      );
      places.push(...page.items.flatMap((pod) => placeOf(pod, query.hostNetwork)));
      seen += page.items.length;
      more = page.metadata?._continue;
    } while (more && seen < PODS_MAX);
  } catch (error) {
    throw explained(error, config.getCurrentCluster()?.server ?? '');
  }
  return places;
}

/** As kubectl: the file that is named, `KUBECONFIG`, `~/.kube/config`, or the account of the pod that this runs in. */
function accessOf({ kubeconfig }: PodDiscovery): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    // What a parser says quotes what it read: keys, perhaps.
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`provider=k8s: the kubeconfig cannot be read (${code ?? 'it is malformed'})`);
  }
  // The library's name for what it does where it finds nothing: ask port 8080 of this machine.
  if (config.getCurrentContext() === 'loaded-context')
    throw new Error('provider=k8s: this runs in no pod, and there is no kubeconfig: set kubeconfig=…, or KUBECONFIG');
  if (!config.getCurrentCluster()) throw new Error('provider=k8s: the kubeconfig has no current context');
  return config;
}

function endedBy(signal: AbortSignal): ObservableMiddleware {
  return {
    pre: (request) => {
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
}

function placeOf({ status }: V1Pod, hostNetwork: boolean): readonly Place[] {
  const host = hostNetwork ? status?.hostIP : status?.podIP;
  return status?.phase === 'Running' && host ? [{ host }] : [];
}

/** The library's own messages hold whole answers and their headers. */
function explained(error: unknown, server: string): Error {
  if (!(error instanceof ApiException)) {
    return new Error(`the Kubernetes API at ${server} cannot be asked: ${reasonOf(error)}`);
  }
  return new Error(`the Kubernetes API at ${server} answered ${String(error.code)}${saidBy(error.body)}`);
}

/** What a `Status` of the API says: who may not do what. */
function saidBy(body: unknown): string {
  let status = body;
  if (typeof body === 'string') {
    try {
      status = JSON.parse(body);
    } catch {
      return '';
    }
  }
  if (typeof status !== 'object' || status === null) return '';
  const message = new Map<string, unknown>(Object.entries(status)).get('message');
  return typeof message === 'string' ? `: ${message.slice(0, 300)}` : '';
}
