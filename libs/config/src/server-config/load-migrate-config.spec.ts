import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../hcl/ast.ts';
import { loadMigrateConfig } from './load-migrate-config.ts';

const SOURCE = 'storage_source "raft" { path = "/data" }\n';
const DESTINATION = 'storage_destination "etcd" { address = "http://a:2379" }\n';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-config-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function load(text: string): ReturnType<typeof loadMigrateConfig> {
  const file = join(folder, 'm.hcl');
  writeFileSync(file, text);
  return loadMigrateConfig(file);
}

function complaint(text: string): string {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('what is to be migrated', () => {
  it('is read as a server reads its storage', () => {
    expect(load(SOURCE + DESTINATION)).toMatchObject({
      source: { kind: 'raft', path: '/data' },
      destination: { kind: 'etcd', addresses: ['http://a:2379'] },
      notes: [],
    });
  });

  it('may come with settings of a server, which are told as unused', () => {
    expect(load(`${SOURCE}${DESTINATION}ui = true`).notes.map(({ key }) => key)).toEqual(['ui']);
  });

  it.each([
    [SOURCE, 'expected a block storage_destination'],
    [DESTINATION, 'expected a block storage_source'],
    [SOURCE + SOURCE + DESTINATION, ':2:1: expected one storage_source block only'],
    [`storage_source "inmem" {}\n${DESTINATION}`, ':1:1: storage_source "inmem": expected a storage that outlives'],
    [
      `${DESTINATION.replace('destination', 'source')}storage_destination "raft" { path = "/d" }`,
      ':2:1: storage_destination "raft": expected cluster_addr beside it',
    ],
    [`${SOURCE}${DESTINATION}cluster_addr = "here"`, ':3:16: cluster_addr: expected an address'],
  ])('is refused where it is incomplete: %s', (text, expected) => {
    expect(complaint(text)).toContain(expected);
  });
});
