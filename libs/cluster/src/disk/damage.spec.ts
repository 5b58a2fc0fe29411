import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listTables, verifyTables } from './check-files.ts';
import { crc32c, maskedCrc32c } from './crc32c.ts';
import { LevelDisk } from './level-disk.ts';
import { inspectWal } from './wal-file.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-damage-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Writes records in batches of their own, and closes: they are in the write-ahead log. */
async function fill(from: number, to: number, bytes = 1000): Promise<void> {
  const disk = await LevelDisk.open(folder, 'n1');
  for (let index = from; index <= to; index++) {
    disk.apply(index, 1, [{ kind: 'put', key: `k/${index}`, value: Buffer.alloc(bytes, index) }]);
    await disk.commit({ entries: [{ kind: 'data', index, term: 1, data: Buffer.from(`${index}`) }] });
  }
  await disk.close();
}

async function only(suffix: string): Promise<string> {
  const [name, ...more] = (await readdir(folder)).filter((each) => each.endsWith(suffix));
  if (name === undefined || more.length > 0) throw new Error(`one file *${suffix} was expected`);
  return join(folder, name);
}

async function flip(path: string, at: (size: number) => number): Promise<void> {
  const bytes = await readFile(path);
  const place = at(bytes.length);
  bytes[place] = (bytes[place] as number) ^ 0x40;
  await writeFile(path, bytes);
}

const opening = (): Promise<LevelDisk> => LevelDisk.open(folder, 'n1');
const rest = (): Promise<void> => Promise.resolve();

describe('checksums', () => {
  it('are those of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('are masked as LevelDB does', () => {
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe(maskOf(0xe3069283));
  });
});

/** By the definition: rotated right by 15, and a constant added. */
function maskOf(crc: number): number {
  const rotated = (BigInt(crc) >> 15n) | ((BigInt(crc) << 17n) & 0xffffffffn);
  return Number((rotated + 0xa282ead8n) & 0xffffffffn);
}

describe('the write-ahead log', () => {
  it('is read as LevelDB writes it, over many blocks', async () => {
    await fill(1, 200);
    const { records, damagedInside } = inspectWal(await readFile(await only('.log')));
    expect(damagedInside).toBe(false);
    expect(records).toBe(200);
  });

  it('shows damage wherever it is but at the very end', async () => {
    await fill(1, 120);
    const sound = await readFile(await only('.log'));
    for (let at = 0; at < sound.length - 2500; at += 997) {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] as number) ^ 1;
      expect([at, inspectWal(bytes).damagedInside]).toEqual([at, true]);
    }
  });

  it('may end anywhere', async () => {
    await fill(1, 60);
    const sound = await readFile(await only('.log'));
    for (let length = 0; length < sound.length; length += 331) {
      expect([length, inspectWal(sound.subarray(0, length)).damagedInside]).toEqual([length, false]);
    }
  });

  it('may end in pieces of one large batch, as after a loss of power', async () => {
    await fill(1, 3, 300_000);
    const sound = await readFile(await only('.log'));
    const holed = Buffer.from(sound);
    holed.fill(0, sound.length - 200_000, sound.length - 100_000);
    expect(inspectWal(holed).damagedInside).toBe(false);
    holed.fill(0, 100_000, 110_000);
    expect(inspectWal(holed).damagedInside).toBe(true);
  });

  it('refuses to open with damage inside, and says how to come back', async () => {
    await fill(1, 120);
    await flip(await only('.log'), (size) => size >> 1);
    await expect(opening()).rejects.toMatchObject({ code: 'corrupt', message: /write-ahead log .*empty one.*joins/ });
  });

  it('opens with what is there where the end was torn', async () => {
    await fill(1, 120);
    const wal = await only('.log');
    await truncate(wal, (await readFile(wal)).length - 300);
    const disk = await opening();
    expect(disk.applied).toBe(119);
    expect(disk.get('k/119')).toBeDefined();
    await disk.close();
  });
});

describe('a folder that lacks files', () => {
  it('is not taken for a new one', async () => {
    await fill(1, 30);
    await fill(31, 60);
    await rm(join(folder, 'CURRENT'));
    await expect(opening()).rejects.toMatchObject({ code: 'corrupt', message: expect.stringContaining('CURRENT') });
    expect(await listTables(folder)).not.toEqual([]);
  });

  it('is refused without a write-ahead log, manifest or table', async () => {
    await fill(1, 30);
    await fill(31, 60);
    await rm(await only('.log'));
    await expect(opening()).rejects.toMatchObject({ code: 'corrupt', message: /write-ahead log is missing/ });
    await writeFile(join(folder, '999999.log'), '');
    await rm(await only('.ldb'));
    await expect(opening()).rejects.toMatchObject({ code: 'corrupt', message: /missing files/ });
  });

  it('is refused with a damaged manifest', async () => {
    await fill(1, 30);
    const name = (await readdir(folder)).find((each) => each.startsWith('MANIFEST')) ?? '';
    await flip(join(folder, name), (size) => size >> 1);
    await expect(opening()).rejects.toMatchObject({ code: 'corrupt', message: /joins again/ });
  });

  it('is not begun anew by a node that had a state', async () => {
    await expect(LevelDisk.open(join(folder, 'gone'), 'n1', false)).rejects.toMatchObject({ code: 'disk' });
    expect(await readdir(folder)).toEqual([]);
    await expect(LevelDisk.open(folder, 'n1', false)).rejects.toMatchObject({ code: 'disk' });
  });
});

describe('tables', () => {
  it('are verified byte by byte', async () => {
    await fill(1, 300);
    await fill(301, 301);
    const table = await only('.ldb');
    const names = await listTables(folder);
    expect(await verifyTables(folder, names, rest)).toBeGreaterThan(300_000);
    const sound = await readFile(table);
    // Everything counts but the padding in the footer.
    const places = [...Array.from({ length: 40 }, (_, at) => at * 8000 + 5), sound.length - 1, sound.length - 48];
    for (const at of places) {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] as number) ^ 1;
      await writeFile(table, bytes);
      const verified = verifyTables(folder, names, rest).then(
        () => `nothing found at ${at}`,
        (error: { code: string }) => error.code,
      );
      expect(await verified).toBe('corrupt');
    }
    await writeFile(table, sound.subarray(0, 20));
    await expect(verifyTables(folder, names, rest)).rejects.toMatchObject({ code: 'corrupt', message: /cut short/ });
  });

  it('may have been compacted away meanwhile', async () => {
    expect(await verifyTables(folder, ['000999.ldb'], rest)).toBe(0);
  });
});
