import type { JoinTarget } from '../cluster.ts';
import { JoinError } from './join-error.ts';

/** How the nodes to join are found: by name, or by asking a directory. */
export type JoinSource =
  | { readonly kind: 'address'; readonly target: JoinTarget }
  | {
      readonly kind: 'discover';
      readonly discover: Discovery;
      readonly scheme: 'http' | 'https';
      readonly port: number;
      /** The rest of each target: its TLS settings. */
      readonly target: Omit<JoinTarget, 'leaderApiAddress'>;
    };

/** What `auto_join` says, in the form of hashicorp/go-discover: `provider=… key=value …`. */
export type Discovery =
  /** All addresses of a DNS name; with `srv`, what its SRV records point to, ports included. */
  | { readonly provider: 'dns'; readonly name: string; readonly srv: boolean }
  /** The running pods of this Kubernetes cluster that a label selector finds. */
  | {
      readonly provider: 'k8s';
      readonly namespace: string;
      readonly labelSelector: string;
      readonly fieldSelector: string | undefined;
    };

/** Providers of go-discover that there is no library for here. */
const KNOWN_ELSEWHERE = new Set([
  'aliyun',
  'aws',
  'azure',
  'digitalocean',
  'gce',
  'hcp',
  'linode',
  'mdns',
  'os',
  'packet',
  'scaleway',
  'softlayer',
  'tencentcloud',
  'triton',
  'vsphere',
]);

/** Reads an `auto_join` text. @throws JoinError `malformed`, which says what was expected */
export function parseDiscovery(text: string): Discovery {
  const fields = readPairs(text);
  const provider = fields.get('provider');
  fields.delete('provider');
  if (provider === undefined) throw malformed('expected "provider=dns …" or "provider=k8s …"');
  if (provider === 'dns') return readDns(fields);
  if (provider === 'k8s') return readKubernetes(fields);
  const what = KNOWN_ELSEWHERE.has(provider) ? 'is not available' : 'is not known';
  throw malformed(`the provider "${provider}" ${what}: expected dns or k8s`);
}

function readDns(fields: Map<string, string>): Discovery {
  const name = take(fields, 'name');
  const type = take(fields, 'type') ?? 'a';
  refuseRest(fields, 'dns', 'name and type');
  if (name === undefined || name === '') throw malformed('provider=dns: expected name=…, a DNS name');
  if (type !== 'a' && type !== 'srv') throw malformed('provider=dns: expected type=a or type=srv');
  return { provider: 'dns', name, srv: type === 'srv' };
}

function readKubernetes(fields: Map<string, string>): Discovery {
  const namespace = take(fields, 'namespace') ?? 'default';
  const labelSelector = take(fields, 'label_selector') ?? '';
  const fieldSelector = take(fields, 'field_selector');
  refuseRest(fields, 'k8s', 'namespace, label_selector and field_selector');
  return { provider: 'k8s', namespace, labelSelector, fieldSelector };
}

function take(fields: Map<string, string>, name: string): string | undefined {
  const value = fields.get(name);
  fields.delete(name);
  return value;
}

function refuseRest(fields: ReadonlyMap<string, string>, provider: string, expected: string): void {
  const [first] = fields.keys();
  if (first !== undefined) throw malformed(`provider=${provider}: "${first}" is not known: expected ${expected}`);
}

/** `key=value` pairs; a value with spaces stands in double quotes, in which `\` protects the next character. */
function readPairs(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  const pair = /\s*([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)/gy;
  let end = 0;
  for (let match = pair.exec(text); match !== null; match = pair.exec(text)) {
    const [whole, key = '', quoted, plain] = match;
    if (fields.has(key)) throw malformed(`"${key}" is given twice`);
    fields.set(key, quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'));
    end += whole.length;
  }
  if (text.slice(end).trim() !== '') throw malformed('expected pairs such as provider=dns name=coffer.example.com');
  return fields;
}

function malformed(text: string): JoinError {
  return new JoinError('malformed', `auto_join: ${text}`);
}
