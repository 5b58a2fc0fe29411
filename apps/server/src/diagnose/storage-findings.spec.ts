import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadServerConfig } from '@coffer/config';
import { storageFindings } from './storage-findings.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'findings-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function findings(storage: string): readonly string[] {
  const file = join(folder, 'c.hcl');
  writeFileSync(file, `storage ${storage}\nlistener "tcp" { tls_disable = true }\n`);
  return storageFindings(loadServerConfig([file]), {}).map(({ status, message }) => `${status} ${message}`);
}

it.each([
  [
    '"raft" { path = "/d"\nretry_join { auto_join = "provider=gce" } }',
    /^fail .*c\.hcl:2:\d+: auto_join: the provider "gce"/,
  ],
  ['"postgresql" {}', /^fail .*: expected connection_url/],
  ['"postgresql" { connection_url = "postgres://u:canary@db/x" }', /^warn PostgreSQL is reached without TLS/],
  [
    '"postgresql" { connection_url = "postgres://u:canary@db/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem" }',
    /^fail .*c\.hcl:1:1: connection_url: sslrootcert: "\/nowhere\/ca\.pem" cannot be read: ENOENT/,
  ],
  ['"etcd" { address = "http://10.0.0.1:2379" }', /^warn etcd is reached without TLS/],
])('finds what is wrong with storage %j', (storage, expected) => {
  const found = findings(storage);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(expected);
  expect(found[0]).not.toContain('canary');
});

it.each([
  '"inmem" {}',
  '"raft" { path = "/d"\nretry_join { auto_join = "provider=aws tag_key=a tag_value=b" } }',
  '"postgresql" { connection_url = "postgres://db/x?sslmode=verify-full" }',
])('finds nothing wrong with storage %j', (storage) => {
  expect(findings(storage)).toEqual([]);
});
