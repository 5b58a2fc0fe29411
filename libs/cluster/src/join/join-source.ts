import { Secret } from '@coffer/kernel';
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
  { readonly provider: 'dns'; readonly name: string; readonly srv: boolean } | PodDiscovery | InstanceDiscovery;

/** The running pods of a Kubernetes cluster that selectors find. */
export interface PodDiscovery {
  readonly provider: 'k8s';
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string | undefined;
  /** Path of a file; undefined: what kubectl would use, or the account of the pod that this runs in. */
  readonly kubeconfig: string | undefined;
  /** The address of the pod's machine counts, not its own. */
  readonly hostNetwork: boolean;
}

/** The running EC2 instances that have a tag. */
export interface InstanceDiscovery {
  readonly provider: 'aws';
  readonly tagKey: string;
  readonly tagValue: string;
  /** Undefined: as the environment says, or the region of this instance. */
  readonly region: string | undefined;
  readonly addressType: AddressType;
  /** URL of the API; undefined: that of the region. */
  readonly endpoint: string | undefined;
  /** Undefined: as the environment says (variables, shared files, the role of this instance). */
  readonly credentials: InstanceCredentials | undefined;
}

const ADDRESS_TYPES = ['private_v4', 'public_v4', 'public_v6'] as const;

/** Which address of an instance is asked, as go-discover names them. */
export type AddressType = (typeof ADDRESS_TYPES)[number];

/** What a question to AWS is signed with, where the configuration says it. */
export interface InstanceCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret<string>;
  readonly sessionToken: Secret<string> | undefined;
}

/** Providers of go-discover that there is no library for here. */
const KNOWN_ELSEWHERE = new Set([
  'aliyun',
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

/** Reads an `auto_join` text. @throws JoinError `malformed`, which says what was expected, and repeats no secret */
export function parseDiscovery(text: string): Discovery {
  const fields = readPairs(text);
  const provider = fields.get('provider');
  fields.delete('provider');
  if (provider === undefined) throw malformed('expected "provider=dns …", "provider=k8s …" or "provider=aws …"');
  if (provider === 'dns') return readDns(fields);
  if (provider === 'k8s') return readKubernetes(fields);
  if (provider === 'aws') return readAws(fields);
  const what = KNOWN_ELSEWHERE.has(provider) ? 'is not available' : 'is not known';
  throw malformed(`the provider "${provider}" ${what}: expected dns, k8s or aws`);
}

/**
 * Refuses what would let who may ask a node to join, which takes no token, choose a file of this machine that says which
 * programs to run, or where signed requests go. @throws JoinError `malformed`
 */
export function refuseLocalSettings(discovery: Discovery): void {
  if (discovery.provider === 'k8s' && discovery.kubeconfig !== undefined)
    throw malformed('provider=k8s: kubeconfig can be set by retry_join in the configuration only');
  if (discovery.provider === 'aws' && discovery.endpoint !== undefined)
    throw malformed('provider=aws: endpoint can be set by retry_join in the configuration only');
}

function readDns(fields: Map<string, string>): Discovery {
  const name = take(fields, 'name');
  const type = take(fields, 'type') ?? 'a';
  refuseRest(fields, 'dns', 'name and type');
  if (name === undefined) throw malformed('provider=dns: expected name=…, a DNS name');
  if (type !== 'a' && type !== 'srv') throw malformed('provider=dns: expected type=a or type=srv');
  return { provider: 'dns', name, srv: type === 'srv' };
}

function readKubernetes(fields: Map<string, string>): Discovery {
  const namespace = take(fields, 'namespace') ?? 'default';
  const labelSelector = take(fields, 'label_selector') ?? '';
  const fieldSelector = take(fields, 'field_selector');
  const kubeconfig = take(fields, 'kubeconfig');
  const hostNetwork = take(fields, 'host_network') ?? 'false';
  refuseRest(fields, 'k8s', 'namespace, label_selector, field_selector, kubeconfig and host_network');
  if (hostNetwork !== 'true' && hostNetwork !== 'false')
    throw malformed('provider=k8s: expected host_network=true or host_network=false');
  return {
    provider: 'k8s',
    namespace,
    labelSelector,
    fieldSelector,
    kubeconfig,
    hostNetwork: hostNetwork === 'true',
  };
}

function readAws(fields: Map<string, string>): Discovery {
  const tagKey = take(fields, 'tag_key');
  const tagValue = take(fields, 'tag_value');
  const region = take(fields, 'region');
  const type = take(fields, 'addr_type') ?? 'private_v4';
  const endpoint = take(fields, 'endpoint');
  const service = take(fields, 'service') ?? 'ec2';
  const credentials = readCredentials(fields);
  refuseRest(
    fields,
    'aws',
    'tag_key, tag_value, region, addr_type, endpoint, service, access_key_id, secret_access_key and session_token',
  );
  if (tagKey === undefined || tagValue === undefined)
    throw malformed('provider=aws: expected tag_key=… and tag_value=…, the tag of the instances to join');
  if (service !== 'ec2') throw malformed('provider=aws: expected service=ec2, the only one that is available');
  const addressType = ADDRESS_TYPES.find((known) => known === type);
  if (addressType === undefined)
    throw malformed(`provider=aws: expected addr_type=… to be ${ADDRESS_TYPES.join(', ')}`);
  if (endpoint !== undefined && !/^https?:\/\/[^/\s@?#]+\/?$/.test(endpoint))
    throw malformed(
      'provider=aws: expected endpoint=… to be an address such as https://ec2.eu-central-1.amazonaws.com',
    );
  // It becomes part of a host name.
  if (region !== undefined && !/^[a-z0-9-]{1,40}$/.test(region))
    throw malformed('provider=aws: expected region=… to be a region such as eu-central-1');
  return { provider: 'aws', tagKey, tagValue, region, addressType, endpoint, credentials };
}

function readCredentials(fields: Map<string, string>): InstanceCredentials | undefined {
  const accessKeyId = take(fields, 'access_key_id');
  const secretAccessKey = take(fields, 'secret_access_key');
  const sessionToken = take(fields, 'session_token');
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      sessionToken: sessionToken === undefined ? undefined : new Secret(sessionToken),
    };
  }
  if (accessKeyId !== undefined || secretAccessKey !== undefined || sessionToken !== undefined)
    throw malformed('provider=aws: expected access_key_id and secret_access_key together, or neither');
  return undefined;
}

/** The value of a key, which is then done with; nothing where it is empty. */
function take(fields: Map<string, string>, name: string): string | undefined {
  const value = fields.get(name);
  fields.delete(name);
  return value === '' ? undefined : value;
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
