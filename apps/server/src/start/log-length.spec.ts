import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadSettings } from './load-settings.ts';
import { parseServerFlags } from './server-flags.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coffer-settings-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function storageOf(lines: string): { storage: unknown; notes: readonly string[] } {
  const file = join(folder, 'coffer.hcl');
  writeFileSync(
    file,
    `storage "raft" {\n path = "${join(folder, 'data')}"\n node_id = "n"\n${lines}\n}\n` +
      'listener "tcp" {\n address = "127.0.0.1:8200"\n tls_disable = true\n}\n',
  );
  const { storage, notes } = loadSettings(parseServerFlags([`-config=${file}`], {}), {});
  return { storage, notes };
}

describe('the length of the log', () => {
  it.each([
    ['', 20_000],
    ['trailing_logs = 0', 20_000],
    ['trailing_logs = 500', 500],
    ['snapshot_threshold = 300', 10_300],
    ['trailing_logs = 500\n snapshot_threshold = 300', 800],
  ])('with %j is %s entries', (lines, logEntriesMax) => {
    expect(storageOf(lines).storage).toMatchObject({ logEntriesMax });
  });

  it('takes the largest entry, and names what has no effect', () => {
    const { storage, notes } = storageOf('max_entry_size = 2097152\n snapshot_interval = "5m"');
    expect(storage).toMatchObject({ entryBytesMax: 2097152 });
    expect(notes).toEqual([expect.stringContaining('"snapshot_interval" is read but not in effect')]);
  });
});
