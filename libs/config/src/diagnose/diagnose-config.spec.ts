import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coffer/kernel';
import { parseServerConfig } from '../server-config/load-server-config.ts';
import { diagnoseConfig } from './diagnose-config.ts';
import type { Finding } from './finding.ts';

const DAYS_VALID = 60;
const PLAIN = 'listener "tcp" { address = "127.0.0.1:0"\ntls_disable = true }\n';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-diagnose-'));
  makePair('server', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE');
  makePair('other', '-addext', 'subjectAltName=DNS:localhost');
  makePair('nameless');
  writeFileSync(join(folder, 'garbage.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  chmodSync(join(folder, 'garbage.pem'), 0o600);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function makePair(name: string, ...more: readonly string[]): void {
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`)];
  execFileSync('openssl', [...request, '-subj', `/CN=${name}`, '-days', String(DAYS_VALID), ...files, ...more], {
    stdio: 'ignore',
  });
  chmodSync(join(folder, `${name}.key`), 0o600);
}

async function diagnose(text: string, daysLater = 0): Promise<readonly Finding[]> {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + daysLater * 86_400_000 };
  return diagnoseConfig(parseServerConfig(text.replaceAll('$F', folder), 'f.hcl'), clock);
}
/** What was found, without what is well. */
const troubles = (findings: readonly Finding[], name: string): readonly string[] =>
  findings
    .filter((finding) => finding.name === name && finding.status !== 'ok')
    .map(({ status, message }) => `${status}: ${message.replaceAll(folder, '$F')}`);

describe('a certificate', () => {
  const tls = (cert: string, key: string, more = ''): string =>
    `storage "inmem" {}\nlistener "tcp" { address = "127.0.0.1:0"\ntls_cert_file = "$F/${cert}"\ntls_key_file = "$F/${key}"\n${more} }`;
  const ofTls = async (text: string, daysLater = 0): Promise<readonly string[]> =>
    troubles(await diagnose(text, daysLater), 'Check Listener TLS');

  it('is well if its key fits and it lasts', async () => {
    expect(await ofTls(tls('server.pem', 'server.key'))).toEqual([]);
    expect(await ofTls(tls('server.pem', 'server.key'), DAYS_VALID - 31)).toEqual([]);
  });

  it.each([
    [DAYS_VALID - 29, /^warn: \$F\/server\.pem \(CN=server\) expires on /],
    [DAYS_VALID + 1, /^fail: \$F\/server\.pem \(CN=server\) expired on /],
    [-2, /^fail: \$F\/server\.pem \(CN=server\) is not valid before /],
  ])('is told of when it ends, %d days from now', async (daysLater, expected) => {
    const found = await ofTls(tls('server.pem', 'server.key'), daysLater);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it.each([
    ['server.pem', 'other.key', 'fail: $F/other.key is not the key of $F/server.pem'],
    ['none.pem', 'server.key', 'fail: $F/none.pem cannot be read: ENOENT'],
    ['server.pem', 'none.key', 'fail: $F/none.key cannot be read: ENOENT'],
    ['garbage.pem', 'server.key', 'fail: $F/garbage.pem holds no certificate that can be read'],
    ['server.key', 'server.key', 'fail: $F/server.key holds no certificate that can be read'],
    ['server.pem', 'garbage.pem', 'fail: $F/garbage.pem holds no private key that can be read'],
    ['nameless.pem', 'nameless.key', 'warn: $F/nameless.pem names no host in its subject alternative names'],
  ])('%s with the key %s is found wanting', async (cert, key, expected) => {
    expect(await ofTls(tls(cert, key))).toEqual([expected]);
  });

  it('tells of both files if neither can be read', async () => {
    expect(await ofTls(tls('no.pem', 'no.key'))).toHaveLength(2);
  });

  it('has a key that not everybody may read', async () => {
    chmodSync(join(folder, 'other.key'), 0o644);
    expect(await ofTls(tls('other.pem', 'other.key'))).toEqual([
      'warn: $F/other.key can be read by every user of this machine',
    ]);
    chmodSync(join(folder, 'other.key'), 0o600);
  });

  it('of clients is signed by an authority that is named', async () => {
    const require = 'tls_require_and_verify_client_cert = true\n';
    expect(await ofTls(tls('server.pem', 'server.key', `${require}tls_client_ca_file = "$F/other.pem"`))).toEqual([]);
    expect(await ofTls(tls('server.pem', 'server.key', `${require}tls_client_ca_file = "$F/server.pem"`))).toEqual([
      'warn: $F/server.pem holds no certificate of an authority',
    ]);
    expect((await ofTls(tls('server.pem', 'server.key', require)))[0]).toContain('client certificates are required');
  });

  it('does not help old versions of TLS', async () => {
    expect((await ofTls(tls('server.pem', 'server.key', 'tls_min_version = "tls10"')))[0]).toContain('TLSv1, which');
  });
});

describe('storage', () => {
  const raft = (path: string, more = ''): string => `storage "raft" { path = "${path}"\n${more} }\n${PLAIN}`;
  const ofStorage = async (text: string): Promise<readonly string[]> => troubles(await diagnose(text), 'Check Storage');
  const ofJoining = async (more: string): Promise<readonly string[]> =>
    troubles(await diagnose(raft('$F/data', more)), 'Check Raft Joining');

  it('may be a folder that is not there yet, and stays so', async () => {
    expect(await ofStorage(raft('$F/new/data'))).toEqual([]);
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });

  it('is no file, and no folder for everybody', async () => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'open'));
    chmodSync(join(folder, 'open'), 0o755);
    expect(await ofStorage(raft('$F/file'))).toEqual(['fail: $F/file is no folder']);
    expect(await ofStorage(raft('$F/open'))).toEqual(['warn: $F/open is open to every user of this machine']);
  });

  it('in memory is for trying only', async () => {
    expect((await ofStorage(`storage "inmem" {}\n${PLAIN}`))[0]).toContain('lost at the end');
  });

  it('says how much room there is', async () => {
    expect((await diagnose(raft('$F/data'))).filter(({ name }) => name === 'Check Disk Usage')).toHaveLength(1);
  });

  it('joins through addresses and files that are well', async () => {
    const pair = 'leader_client_cert_file = "$F/server.pem"\nleader_client_key_file = "$F/server.key"';
    expect(await ofJoining(`retry_join { leader_api_addr = "https://a:8200"\n${pair} }`)).toEqual([]);
    expect(
      await ofJoining(
        'retry_join { leader_api_addr = "http://a:8200" }\nretry_join { leader_api_addr = "https://b:8200"\nleader_ca_cert_file = "$F/none" }\nretry_join { leader_api_addr = "https://c:8200"\nleader_client_cert_file = "$F/server.pem" }\nretry_join { leader_api_addr = "https://d:99999" }',
      ),
    ).toEqual([
      'warn: http://a:8200 is asked without TLS',
      'fail: $F/none cannot be read: ENOENT',
      'fail: https://c:8200: leader_client_cert and leader_client_key belong together, and only one is set',
      'fail: https://d:99999 is no address',
    ]);
  });
});

describe('addresses', () => {
  const JOIN = 'retry_join { leader_api_addr = "https://other:8200" }';
  const advertised = async (text: string, name: string): Promise<readonly string[]> =>
    troubles(await diagnose(`storage "raft" { path = "$F/data"\n${JOIN} }\n${PLAIN}${text}`), name);

  it.each([
    ['api_addr = "http://10.0.0.1:8200"', []],
    ['', ['warn: api_addr is not set: others are sent to the listener’s address']],
    ['api_addr = "http://0.0.0.0:8200"', ['fail: api_addr is http://0.0.0.0:8200, which is every address and none']],
    [
      'api_addr = "http://127.0.0.1:1"',
      ['warn: api_addr is http://127.0.0.1:1, which leads every other machine to itself'],
    ],
    ['api_addr = "https://10.0.0.1:8200"', ['warn: api_addr is https://10.0.0.1:8200, but no listener has TLS']],
  ])('of the API: %s', async (text, expected) => {
    expect(await advertised(text, 'Check API Address')).toEqual(expected);
  });

  it.each([
    ['cluster_addr = "https://10.0.0.1:8201"', []],
    ['', ['warn: cluster_addr is not set: other nodes are told the listener’s address, one port up']],
    ['cluster_addr = "https://[::]:1"', ['fail: cluster_addr is https://[::]:1, which is every address and none']],
    [
      'api_addr = "http://10.0.0.1:8200"\ncluster_addr = "https://10.0.0.1:8200"',
      ['fail: api_addr and cluster_addr are both 10.0.0.1:8200'],
    ],
  ])('of the cluster: %s', async (text, expected) => {
    expect(await advertised(text, 'Check Cluster Address')).toEqual(expected);
  });

  const listening = (): Promise<Server> =>
    new Promise((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
    });

  it('that are taken are found, and those that are free are left free', async () => {
    const server = await listening();
    const { port } = server.address() as AddressInfo;
    const text = `storage "inmem" {}\nlistener "tcp" { address = "127.0.0.1:0"\ntls_disable = 1 }\nlistener "tcp" { address = "127.0.0.1:${String(port)}"\ntls_disable = 1 }`;
    const found = troubles(await diagnose(text), 'Check Listener Address');
    await new Promise((resolve) => server.close(resolve));
    expect(found).toEqual([`fail: 127.0.0.1:${String(port)} cannot be listened on: EADDRINUSE`]);
    expect(troubles(await diagnose(text), 'Check Listener Address')).toEqual([]);
    expect(troubles(await diagnose(text), 'Check Listener Address')).toEqual([]);
  });

  it('are wanted once only, that of the cluster included', async () => {
    const server = await listening();
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const address = `127.0.0.1:${String(port)}`;
    const text = `storage "inmem" {}\nlistener "tcp" { address = "${address}"\ncluster_address = "${address}"\ntls_disable = 1 }`;
    expect(troubles(await diagnose(text), 'Check Listener Address')).toEqual([`fail: ${address} is wanted twice`]);
  });
});

describe('a configuration', () => {
  it('is told of keys that do nothing', async () => {
    const found = await diagnose(`storage "inmem" {}\n${PLAIN}frob = 1\ntelemetry {}`);
    expect(troubles(found, 'Parse Configuration')).toEqual([
      'warn: f.hcl:5:1: "telemetry" is not in effect',
      'warn: f.hcl:4:1: "frob" is unknown and ignored',
    ]);
    expect(troubles(await diagnose(`storage "inmem" {}\n${PLAIN}`), 'Parse Configuration')).toEqual([]);
  });

  it('is told of plain listeners, and of proxies that may be anybody', async () => {
    const found = await diagnose(
      'storage "inmem" {}\nlistener "tcp" { address = "127.0.0.1:0"\ntls_disable = 1\nx_forwarded_for_authorized_addrs = "0.0.0.0/0" }',
    );
    expect(troubles(found, 'Check Listener TLS')).toHaveLength(1);
    expect(troubles(found, 'Check Listener Proxies')).toHaveLength(1);
  });

  it('has advice for every warning and failure', async () => {
    const found = await diagnose(`storage "inmem" {}\n${PLAIN}frob = 1`);
    expect(found.filter(({ status, advice }) => (status === 'ok') !== (advice === undefined))).toEqual([]);
  });
});
