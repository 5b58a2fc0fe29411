import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, plainValue } from '../hcl/ast.ts';
import { parseHcl } from '../hcl/parser.ts';
import { loadServerConfig, parseServerConfig } from './load-server-config.ts';
import type { ListenerConfig, ServerConfig } from './server-config.ts';

const LISTENER = 'listener "tcp" { tls_disable = true }\n';
const STORAGE = 'storage "inmem" {}\n';

const testdata = (name: string): string => readFileSync(join(import.meta.dirname, '../../testdata', name), 'utf8');
const parse = (text: string): ServerConfig => parseServerConfig(text, 'f.hcl');
/** With a storage and a listener, behind the text, so that its positions stay. */
const top = (text: string): ServerConfig => parse(`${text}\n${STORAGE}${LISTENER}`);
const listener = (text: string): ListenerConfig => {
  const [only] = parse(`listener "tcp" { tls_disable = true\n${text} }\n${STORAGE}`).listeners;
  if (!only) throw new Error('no listener');
  return only;
};
const raft = (text: string): ServerConfig => parse(`storage "raft" { path = "/data"\n${text} }\n${LISTENER}`);
const notes = (config: ServerConfig): readonly string[] =>
  config.notes.map(({ key, kind, position: { line, column } }) => `${String(line)}:${String(column)} ${kind} ${key}`);

function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the examples', () => {
  it('loads what a container gets: both backend and storage, in JSON', () => {
    const config = parseServerConfig(testdata('local-config.json'), 'local.json');
    expect(config).toMatchObject({
      storage: { kind: 'raft', path: '/vault/data', nodeId: 'vault-1' },
      listeners: [{ address: '0.0.0.0:8200' }],
      ui: true,
      clusterAddr: 'http://vault:8201',
      apiAddr: 'http://vault:8200',
    });
    expect(config.listeners[0]?.tls).toBeUndefined();
    expect(notes(config)).toEqual(['2:3 not-in-effect backend']);
  });

  it('refuses the storage of the production example with its place, and loads all the rest', () => {
    const text = testdata('production.hcl');
    expect(complaint(() => parse(text))).toBe(
      'f.hcl:5:1: storage "consul" is not available: expected storage "raft", "postgresql", "etcd" or "inmem"',
    );
    const withRaft = text.replace(/^storage "consul" \{[^}]*\}/m, 'storage "raft" { path = "/vault/data" }');
    expect(complaint(() => parse(withRaft))).toMatch(
      /ha_storage "consul": expected ha_storage "postgresql" or "etcd"$/,
    );
    const config = parse(withRaft.replace(/^ha_storage "consul" \{[^}]*\}/m, ''));
    expect(config).toMatchObject({
      clusterName: 'vault-prod',
      clusterAddr: 'https://vault-1.vault.svc.cluster.local:8201',
      apiAddr: 'https://vault-1.vault.svc.cluster.local:8200',
      logLevel: 'info',
      logFormat: 'json',
      rawStorageEndpoint: false,
      listeners: [
        {
          address: '0.0.0.0:8200',
          clusterAddress: '0.0.0.0:8201',
          tls: {
            certFile: '/vault/tls/vault.pem',
            clientCaFile: '/vault/tls/ca.pem',
            minVersion: 'TLSv1.2',
            ciphers: 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384',
            requireClientCert: false,
            disableClientCerts: false,
          },
        },
      ],
    });
    expect(config.notes.map(({ key, kind }) => `${kind} ${key}`)).toEqual([
      'not-in-effect seal',
      'not-in-effect disable_performance_standby',
      'not-in-effect license_path',
      'not-in-effect telemetry',
      'not-in-effect entropy',
    ]);
  });

  it('reads the policies and the agent', () => {
    expect(parseHcl(testdata('policies.hcl')).items.filter(({ key }) => key === 'path')).toHaveLength(16);
    expect(plainValue(parseHcl(testdata('agent.hcl')))).toMatchObject({
      pid_file: './pidfile',
      template: { perms: 0o600 },
    });
  });
});

describe('the top of a file', () => {
  it('has defaults', () => {
    expect(top('')).toEqual({
      storage: { kind: 'inmem' },
      listeners: [{ address: '127.0.0.1:8200' }],
      ui: false,
      cacheDisabled: false,
      rawStorageEndpoint: false,
      notes: [],
    });
  });

  it('is as lenient as Vault about numbers and switches', () => {
    const config = top('ui = "true"\ndisable_cache = 1\ndefault_lease_ttl = "30d"\nmax_lease_ttl = 3600\n');
    expect(config).toMatchObject({ ui: true, cacheDisabled: true });
    expect(config).toMatchObject({ defaultLeaseTtlSeconds: 2_592_000, maxLeaseTtlSeconds: 3600 });
  });

  it('notes with their place what is unknown, and what is known and does nothing', () => {
    const config = top('ui = true\nfrobnicate = 1\n  telemetry {}\nseal "awskms" {}\nseal "transit" {}');
    expect(notes(config)).toEqual([
      '3:3 not-in-effect telemetry',
      '4:1 not-in-effect seal',
      '5:1 not-in-effect seal',
      '2:1 unknown frobnicate',
    ]);
  });

  it('has nothing to say about memory that is not to be locked', () => {
    expect(notes(top('disable_mlock = true'))).toEqual([]);
    expect(notes(top('disable_mlock = "false"'))).toEqual(['1:1 not-in-effect disable_mlock']);
  });

  it.each([
    ['ui = "maybe"', '1:6: ui: expected true or false'],
    ['ui = 2', '1:6: ui: expected true or false'],
    ['ui = true\nui = false', '2:1: ui: expected it once, but it is set in line 1 already'],
    ['default_lease_ttl = "1w"', '1:21: default_lease_ttl: expected a duration such as "30s" or "768h"'],
    ['cluster_authority_ttl = "4s"', '1:25: cluster_authority_ttl: expected "5s" to "87600h"'],
    ['cluster_authority_ttl = "4000d"', '1:25: cluster_authority_ttl: expected "5s" to "87600h"'],
    ['max_lease_ttl = "-1h"', '1:17: max_lease_ttl: expected a duration such as "30s" or "768h"'],
    ['cluster_name = []', '1:16: cluster_name: expected a string'],
    ['log_format = "xml"', '1:14: log_format: expected one of standard, json'],
    [
      'log_level = "loud"',
      '1:13: log_level: expected one of trace, debug, info, notice, warn, warning, error, err, off',
    ],
    ['api_addr = "10.0.0.1:8200"', '1:12: api_addr: expected an address such as "https://10.0.0.1:8200"'],
    ['api_addr = "https://{{ GetPrivateIP }}"', '1:12: api_addr: templates are not available: expected an address'],
    ['cluster_addr = "https://a:99999"', '1:16: cluster_addr: expected an address such as "https://10.0.0.1:8200"'],
    ['cluster_addr = "https://u:p@a"', '1:16: cluster_addr: expected an address such as "https://10.0.0.1:8200"'],
    // Known and not in effect is no reason to let a mistake pass.
    ['log_rotate_bytes = "many"', '1:20: log_rotate_bytes: expected a whole number from -1 up'],
    ['seal = "awskms"', '1:1: seal: expected a block: seal { … }'],
    ['experiments = [1]', '1:16: experiments: expected strings'],
    ['storage "inmem" {}', '2:1: expected one storage block only'],
    ['storage {}', '1:1: storage: expected a type: storage "…" { … }'],
    ['storage { inmem = 1 }', '1:11: storage: expected a block: storage "inmem" { … }'],
    ['listener "unix" {}', '1:1: listener "unix" is not available: expected listener "tcp"'],
    ['listener = 1', '1:1: listener: expected a block: listener { … }'],
  ])('refuses %j, saying where and what was expected', (text, expected) => {
    expect(complaint(() => top(text))).toBe(`f.hcl:${expected}`);
  });

  it.each([
    ['storage "raft" {}', '1:16: storage "raft": expected path, the folder of the data'],
    [
      'storage "floppy" {}',
      '1:1: storage "floppy" is not known: expected storage "raft", "postgresql", "etcd" or "inmem"',
    ],
    [
      'storage "file" { path = "/a" }',
      '1:1: storage "file" is not available: expected storage "raft", "postgresql", "etcd" or "inmem"',
    ],
  ])('refuses %j, saying why', (text, expected) => {
    expect(complaint(() => parse(`${text}\n${LISTENER}`))).toBe(`f.hcl:${expected}`);
  });

  it('needs a storage and a listener', () => {
    expect(complaint(() => parse(LISTENER))).toContain('expected a storage block');
    expect(complaint(() => parse(STORAGE))).toContain('expected a listener block');
  });

  it('reads JSON with blocks as maps and as lists of maps', () => {
    const config = parse(
      '{"storage":[{"inmem":{}}],"listener":[{"tcp":{"address":":1","tls_disable":"true"}},{"tcp":[{"address":":2","tls_disable":1}]}],"ui":null}',
    );
    expect(config.listeners.map(({ address }) => address)).toEqual([':1', ':2']);
    expect(config).toMatchObject({ storage: { kind: 'inmem' }, ui: false });
  });

  it('survives names that objects have of themselves', () => {
    expect(notes(top('"__proto__" { a = 1 }\nconstructor = 1\ntoString = 2'))).toEqual([
      '1:1 unknown __proto__',
      '2:1 unknown constructor',
      '3:1 unknown toString',
    ]);
  });
});

describe('storage "raft"', () => {
  it('reads nodes to join in several blocks, with or without a slash at the end', () => {
    const config = raft(
      'node_id = 7\nretry_join { leader_api_addr = "https://a:8200/"\nleader_ca_cert_file = "/ca" }\n' +
        'retry_join { leader_api_addr = "http://b:8200"\nleader_tls_servername = "b"\nbeer = 1 }\ntrailing_logs = "10"',
    );
    expect(config.storage).toEqual({
      kind: 'raft',
      joinAsNonVoter: false,
      path: '/data',
      nodeId: '7',
      performanceMultiplier: 1,
      trailingLogs: 10,
      retryJoin: [
        { leaderApiAddr: 'https://a:8200', caCertFile: '/ca' },
        { leaderApiAddr: 'http://b:8200', tlsServername: 'b' },
      ],
    });
    expect(notes(config)).toEqual(['7:1 unknown beer']);
  });

  it('reads zone and version for autopilot, where they are not empty', () => {
    const config = raft('autopilot_redundancy_zone = "eu-west-1a"\nautopilot_upgrade_version = "1.2.3-blue.1"');
    expect(config.storage).toMatchObject({ redundancyZone: 'eu-west-1a', upgradeVersion: '1.2.3-blue.1' });
    const none = raft('autopilot_redundancy_zone = ""\nautopilot_upgrade_version = ""').storage;
    expect(Object.keys(none)).not.toEqual(expect.arrayContaining(['redundancyZone']));
    expect(Object.keys(none)).not.toEqual(expect.arrayContaining(['upgradeVersion']));
  });

  it('reads how nodes to join are found', () => {
    const config = raft(
      'retry_join { auto_join = "provider=dns name=c"\nauto_join_scheme = "http"\nauto_join_port = 1 }\nretry_join { auto_join = "provider=k8s" }\nretry_join_as_non_voter = true',
    );
    expect(config.storage).toMatchObject({
      retryJoin: [
        { autoJoin: { text: 'provider=dns name=c', scheme: 'http', port: 1 } },
        { autoJoin: { text: 'provider=k8s', scheme: 'https', port: 8200 } },
      ],
      joinAsNonVoter: true,
    });
  });

  it('reads a list of nodes to join in JSON', () => {
    const config = parse(
      '{"storage":{"raft":{"path":"/d","retry_join":[{"leader_api_addr":"https://a:1"},{"leader_api_addr":"https://b:1"}]}},"listener":{"tcp":{"tls_disable":1}}}',
    );
    expect(config.storage).toMatchObject({
      retryJoin: [{ leaderApiAddr: 'https://a:1' }, { leaderApiAddr: 'https://b:1' }],
    });
  });

  it.each([
    ['node_id = "a/b"', 'node_id: expected up to 64 letters'],
    ['node_id = "-a"', 'node_id: expected up to 64 letters'],
    ['retry_join {}', 'retry_join: expected leader_api_addr or auto_join'],
    ['retry_join { leader_api_addr = "a:8200" }', 'leader_api_addr: expected an address such as'],
    [
      'retry_join { auto_join = "provider=dns"\nleader_api_addr = "https://a:1" }',
      'retry_join: expected leader_api_addr or',
    ],
    ['retry_join { auto_join = "provider=dns"\nauto_join_scheme = "ftp" }', 'auto_join_scheme: expected http or https'],
    ['retry_join { auto_join = "provider=dns"\nauto_join_port = 0 }', 'auto_join_port: expected a whole number'],
    ['autopilot_redundancy_zone = " a"', 'autopilot_redundancy_zone: expected up to 128 letters'],
    ['autopilot_redundancy_zone = "a\\nb"', 'autopilot_redundancy_zone: expected up to 128 letters'],
    ['autopilot_upgrade_version = "latest"', 'autopilot_upgrade_version: expected a semantic version'],
    ['autopilot_upgrade_version = true', 'autopilot_upgrade_version: expected'],
    ['retry_join_as_non_voter = "perhaps"', 'retry_join_as_non_voter: expected true or false'],
    ['retry_join = "a"', 'retry_join: expected a block: retry_join { … }'],
    ['performance_multiplier = 11', 'performance_multiplier: expected a whole number from 0 to 10'],
    ['max_entry_size = 1', 'max_entry_size: expected a whole number'],
    ['snapshot_interval = true', 'snapshot_interval: expected a duration'],
  ])('refuses %j', (text, expected) => {
    expect(complaint(() => raft(text))).toContain(`: ${expected}`);
  });
});

describe('listener "tcp"', () => {
  it.each([['10.0.0.1:8200'], ['[::]:8200'], [':8200'], ['localhost:0']])('takes the address %s', (address) => {
    expect(listener(`address = "${address}"`).address).toBe(address);
  });

  it.each(['10.0.0.1', 'a:65536', '::1:8200', 'https://a:1', '[::1:1', 'a b:1', ''])(
    'refuses the address %j',
    (address) => {
      expect(complaint(() => listener(`address = "${address}"`))).toContain('2:11: address: expected host:port');
      expect(complaint(() => listener(`cluster_address = "${address}"`))).toContain('cluster_address: expected');
    },
  );

  it('reads limits and times', () => {
    const text =
      'max_request_size = "1024"\nmax_request_duration = "2m"\nhttp_idle_timeout = "1m"\nhttp_read_header_timeout = 5\nhttp_read_timeout = "20s"\nhttp_write_timeout = "3m"\nmax_request_json_depth = 9';
    expect(listener(text)).toMatchObject({
      requestBytesMax: 1024,
      requestDurationSecondsMax: 120,
      idleTimeoutSeconds: 60,
      readHeaderTimeoutSeconds: 5,
      readTimeoutSeconds: 20,
      writeTimeoutSeconds: 180,
      jsonDepthMax: 9,
    });
  });

  it('opens endpoints without a token only where it says so in so many words', () => {
    expect(listener('').opens).toBeUndefined();
    expect(listener('disable_unauthed_rekey_endpoints = true').opens).toBeUndefined();
    expect(listener('disable_unauthed_rekey_endpoints = false').opens).toEqual(['unauthenticated-rekey']);
    expect(listener('disable_unauthed_generate_root_endpoints = "false"').opens).toEqual([
      'unauthenticated-generate-root',
    ]);
    expect(complaint(() => listener('disable_unauthed_rekey_endpoints = "no"'))).toContain('expected true or false');
  });

  it('reads trusted proxies, and refuses what is neither an address nor a block of them', () => {
    expect(listener('x_forwarded_for_authorized_addrs = "10.0.0.0/8, ::1"').forwardedFor).toEqual({
      authorizedCidrs: ['10.0.0.0/8', '::1'],
      hopSkips: 0,
      rejectNotPresent: true,
      rejectNotAuthorized: true,
    });
    for (const wrong of ['10.0.0.0/33', 'proxy', '10.0.0', '::/129', '1.2.3.4/8/8', '10.0.0.0/'])
      expect(complaint(() => listener(`x_forwarded_for_authorized_addrs = ["${wrong}"]`))).toContain(
        `found "${wrong}"`,
      );
  });

  it('reads whom to believe the PROXY protocol', () => {
    const config = parse(`listener "tcp" { tls_disable = 1\nproxy_protocol_behavior = "use_always" }\n${STORAGE}`);
    expect(notes(config)).toEqual([]);
    expect(complaint(() => listener('proxy_protocol_behavior = "allow_authorized"'))).toContain(
      'needs proxy_protocol_authorized_addrs',
    );
  });

  it.each([
    'custom_response_headers { "default" = { "X-A" = ["1", " ", "2, 3"], x-b = "c" } }',
    'custom_response_headers { default { "X-A" = ["1", "2, 3"]\nX-B = ["c"] } }',
    'custom_response_headers = [{ default = [{ "X-A" = ["1", "2, 3"]\nX-B = ["c"] }] }]',
  ])('reads headers for all answers from %s', (text) => {
    expect(listener(text).responseHeaders).toEqual({ default: { 'x-a': '1; 2, 3', 'x-b': 'c' } });
  });

  it('reads headers for some answers, also in JSON', () => {
    const wanted = { default: { a: '1' }, '4xx': { a: '2', b: '3' }, '404': { a: '4' } };
    const text =
      'custom_response_headers { default = { A = ["1"] } "4xx" = { A = ["2"] B = ["3"] } "404" { a = ["4"] } }';
    const config = parse(`listener "tcp" { tls_disable = 1\n${text} }\n${STORAGE}`);
    expect(config.listeners[0]?.responseHeaders).toEqual(wanted);
    expect(notes(config)).toEqual([]);
    const json = { A: ['2'], B: ['3'] };
    const headers = { default: { A: ['1'] }, '4xx': json, '404': { a: ['4'] } };
    const listeners = { tcp: { tls_disable: true, custom_response_headers: headers } };
    expect(
      parse(JSON.stringify({ listener: listeners, storage: { inmem: {} } })).listeners[0]?.responseHeaders,
    ).toEqual(wanted);
  });

  it('refuses headers for what is no status, and names and values that cannot be sent', () => {
    const refused = (text: string): string => complaint(() => listener(`custom_response_headers { ${text} }`));
    for (const wrong of ['nope', '"600"', '"2XX"', '"20"', '"4xxx"', '"099"'])
      expect(refused(`${wrong} {}`)).toContain('expected "default", or a status');
    for (const framing of ['Content-Length', 'transfer-encoding', 'Connection', 'Upgrade'])
      expect(refused(`"404" { ${framing} = ["a"] }`)).toContain('is reserved');
    expect(refused('default { X-Vault-Token = ["a"] }')).toContain('is reserved');
    expect(refused('default { "a b" = ["a"] }')).toContain('expected the name of a header');
    expect(refused(String.raw`default { a = ["b\r\nc: d"] }`)).toContain('characters that may stand in a header');
    expect(refused('default { a = [1] }')).toContain('expected a list of strings');
  });

  const tls = (text: string): ListenerConfig['tls'] =>
    parse(`listener "tcp" { tls_cert_file = "c"\ntls_key_file = "k"\n${text} }\n${STORAGE}`).listeners[0]?.tls;

  it('reads TLS, in Go’s names', () => {
    expect(tls('')).toEqual({
      certFile: 'c',
      keyFile: 'k',
      requireClientCert: false,
      disableClientCerts: false,
      minVersion: 'TLSv1.2',
    });
    expect(
      tls(
        'tls_min_version = "tls12"\ntls_max_version = "TLS13"\ntls_require_and_verify_client_cert = "1"\ntls_cipher_suites = "TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"',
      ),
    ).toMatchObject({
      maxVersion: 'TLSv1.3',
      requireClientCert: true,
      ciphers: 'ECDHE-RSA-AES128-GCM-SHA256',
    });
  });

  it.each([
    ['tls_min_version = "ssl3"', 'tls_min_version: expected one of tls10, tls11, tls12, tls13'],
    ['tls_max_version = "tls11"', 'tls_max_version: expected tls12 or later'],
    ['tls_cipher_suites = "RC4"', 'tls_cipher_suites: unknown cipher suite "RC4"'],
    ['tls_cipher_suites = "toString"', 'tls_cipher_suites: unknown cipher suite "toString"'],
    ['tls_require_and_verify_client_cert = 1\ntls_disable_client_certs = 1', 'contradicts'],
  ])('refuses %j', (text, expected) => {
    expect(complaint(() => tls(text))).toContain(expected);
  });

  it('needs a certificate, or to be told that there is none', () => {
    expect(complaint(() => parse(`listener "tcp" {}\n${STORAGE}`))).toContain(
      'expected tls_cert_file and tls_key_file',
    );
  });
});

describe('files and folders', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string | Uint8Array): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it('adds files up as Vault does', () => {
    write('a.hcl', `${STORAGE}${LISTENER}ui = true\nmax_lease_ttl = "10h"\ncluster_name = "a"\napi_addr = "http://a"`);
    write(
      'b.json',
      '{"ui": false, "max_lease_ttl": "5h", "cluster_name": "b", "api_addr": "", "listener": {"tcp": {"address": ":2", "tls_disable": 1}}}',
    );
    const config = loadServerConfig([folder]);
    expect(config).toMatchObject({ ui: true, maxLeaseTtlSeconds: 36_000, clusterName: 'b', apiAddr: 'http://a' });
    expect(config.listeners.map(({ address }) => address)).toEqual(['127.0.0.1:8200', ':2']);
  });

  it('reads a folder in the order of names, and of it only .hcl and .json files', () => {
    write('2.hcl', 'cluster_name = "two"');
    write('1.json', '{"cluster_name": "one"}');
    write('0.hcl', STORAGE + LISTENER);
    for (const name of ['3.hcl~', '.#4.hcl', '5.txt', '6.hcl.bak']) write(name, 'not hcl {');
    mkdirSync(join(folder, '7.hcl'));
    // As Kubernetes mounts a ConfigMap.
    mkdirSync(join(folder, '..data'));
    write('..data/8.hcl', 'pid_file = "p"');
    symlinkSync('..data/8.hcl', join(folder, '8.hcl'));
    expect(loadServerConfig([folder])).toMatchObject({ clusterName: 'two', pidFile: 'p' });
  });

  it('lets later arguments win, and names the file of a mistake', () => {
    const one = write('one', `${STORAGE}${LISTENER}cluster_name = "one"`);
    const two = write('two', '{"cluster_name": "two"}');
    const bad = write('bad.hcl', '\nui = nope');
    expect(loadServerConfig([one, two]).clusterName).toBe('two');
    expect(loadServerConfig([two, one]).clusterName).toBe('one');
    expect(complaint(() => loadServerConfig([one, bad]))).toBe(
      `${bad}:2:6: expected a value (texts need quotes), found "nope"`,
    );
  });

  it('refuses what cannot be read, and folders without a file', () => {
    expect(complaint(() => loadServerConfig([join(folder, 'none')]))).toBe(`${folder}/none: cannot be read: ENOENT`);
    expect(complaint(() => loadServerConfig([folder]))).toContain('expected at least one configuration file');
    const binary = write('b.hcl', new Uint8Array([0x61, 0xff, 0xfe]));
    expect(complaint(() => loadServerConfig([binary]))).toContain(`${binary}: cannot be read: `);
  });
});
