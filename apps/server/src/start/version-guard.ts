import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '@coffer/storage';

/** A program, as far as it matters to what it can read. */
export interface ProgramVersion {
  /** Numbers with dots, `0.1.0`. */
  readonly version: string;
  /** The newest form of data that it writes, and the newest that it can read. */
  readonly format: number;
}

/** Beside the database: the newest program that has used it. */
const FILE = 'version.json';

/**
 * Before the data is opened: refuses a program that is too old for it, and remembers a newer one. A downgrade within one
 * format works, and is allowed.
 *
 * @throws StorageError `disk` for a downgrade that cannot work, `corrupt` for a record that cannot be read
 */
export async function guardVersion(folder: string, program: ProgramVersion): Promise<void> {
  const path = join(folder, FILE);
  const newest = await readRecord(path);
  refuseDowngrade(newest, program, `in ${folder} was last used`, 'snapshot');
  if (newest && !isNewer(program, newest)) return;
  await writeRecord(path, program);
}

/**
 * @param which data, and how it was last touched: `in this database was last written`
 * @param copy what there may be of the older data
 * @throws StorageError `disk` where the data has a later form than the program can read
 */
export function refuseDowngrade(
  newest: ProgramVersion | undefined,
  program: ProgramVersion,
  which: string,
  copy: 'snapshot' | 'backup',
): void {
  if (newest === undefined || newest.format <= program.format) return;
  throw new StorageError(
    'disk',
    `the data ${which} by Coffer ${newest.version} (format ${String(newest.format)}), and this is ` +
      `Coffer ${program.version}, which reads formats up to ${String(program.format)}: a downgrade that cannot work. ` +
      `Start Coffer ${newest.version} or later, or restore a ${copy} of the older version`,
  );
}

async function readRecord(path: string): Promise<ProgramVersion | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StorageError('disk', `${path} cannot be read`, { cause: error });
  }
  return parseProgramVersion(text, path);
}

/** Reads a record of a program. @param where it stands @throws StorageError `corrupt` for what is none */
export function parseProgramVersion(text: string, where: string): ProgramVersion {
  try {
    const { version, format } = (JSON.parse(text) ?? {}) as Partial<ProgramVersion>;
    if (typeof version === 'string' && typeof format === 'number' && Number.isSafeInteger(format))
      return { version, format };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new StorageError(
    'corrupt',
    `${where} is damaged: expected {"version": "…", "format": …} of the newest program that wrote here`,
  );
}

/** Whether the first of two programs is the newer one, by version. */
export function isNewer(program: ProgramVersion, other: ProgramVersion): boolean {
  return compareVersions(program.version, other.version) > 0;
}

/** Whole or not at all: to a file of its own first. */
async function writeRecord(path: string, { version, format }: ProgramVersion): Promise<void> {
  const next = `${path}.new`;
  try {
    const file = await open(next, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ version, format })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, path);
  } catch (cause) {
    throw new StorageError('disk', `${path} cannot be written`, { cause });
  }
}

/** Below 0 where `a` is older than `b`. What is behind a hyphen or a plus does not count. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): readonly number[] {
  return (version.split(/[-+]/)[0] ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
}
