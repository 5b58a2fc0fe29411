import { Interpreter } from './commands.ts';

const SEPARATOR = '----';

/**
 * Runs a transcript: blocks of commands, each followed by `----` and what came out, up to the next empty line.
 * Comments before a block stay.
 *
 * @returns the transcript as it should be
 */
export function runTranscript(text: string): string {
  const interpreter = new Interpreter();
  const blocks = text.trim().split(/\n{2,}/u);
  const shown = blocks.map((block) => {
    const lines = block.split('\n');
    const end = lines.indexOf(SEPARATOR);
    const commands = end < 0 ? lines : lines.slice(0, end);
    if (commands.every((line) => line.startsWith('#'))) return commands.join('\n');
    return [...commands, SEPARATOR, ...interpreter.run(commands)].join('\n');
  });
  return `${shown.join('\n\n')}\n`;
}
