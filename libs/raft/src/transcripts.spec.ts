import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { runTranscript } from './transcript/transcript-file.ts';

const FOLDER = new URL('../testdata/', import.meta.url);
/** Writes what came out into the transcripts, to be read before it is committed. */
const REWRITE = process.env['REWRITE'] === '1';

describe('transcripts', () => {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  it('are there', () => {
    expect(names.length).toBeGreaterThan(20);
  });

  it.each(names)('%s', (name) => {
    const file = new URL(name, FOLDER);
    const before = readFileSync(file, 'utf8');
    const after = runTranscript(before);
    if (REWRITE) writeFileSync(file, after);
    else expect(after).toBe(before);
  });
});
