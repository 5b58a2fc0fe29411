import { createInterface } from 'node:readline';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';

/**
 * Asks, and reads a line that a terminal does not show; of a pipe, its first line.
 *
 * @param failureCode the exit code where there is nothing to read
 * @param write where the question goes; standard error if left out
 * @throws CommandError with `-non-interactive`, if nothing can be read, or if the user gives up by Ctrl-C or Ctrl-D
 */
export async function askHidden(
  { flags }: Pick<CommandContext, 'flags'>,
  prompt: string,
  failureCode = 2,
  write: (text: string) => void = (text) => void process.stderr.write(text),
): Promise<string> {
  if (flags.bool('non-interactive'))
    throw new CommandError('Refusing to read from stdin with -non-interactive specified', 1);
  write(prompt);
  try {
    const line = await (process.stdin.isTTY ? typed() : firstLine());
    if (line === undefined)
      throw new CommandError(
        'An error occurred attempting to ask for a secret: standard input is no terminal, and there is nothing to read in it.',
        failureCode,
      );
    return line;
  } finally {
    write('\n');
  }
}

/** @returns undefined if there is none */
function firstLine(): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => resolve(undefined));
  });
}

async function typed(): Promise<string> {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.resume();
  try {
    return await new Promise((resolve, reject) => {
      const line = new TypedLine();
      stdin.on('data', (keys: Buffer) => {
        const state = line.type(keys.toString('utf8'));
        if (state === 'done') resolve(line.text);
        if (state === 'interrupted') reject(new CommandError('user canceled', 1));
      });
    });
  } finally {
    stdin.setRawMode(false);
    stdin.removeAllListeners('data');
    stdin.pause();
  }
}

/** What a terminal in raw mode sends, as a line. */
export class TypedLine {
  text = '';

  /** @param keys as they came, several at once where text is pasted */
  type(keys: string): 'more' | 'done' | 'interrupted' {
    for (const key of keys) {
      if (key === '\r' || key === '\n') return 'done';
      if (key === '\u0003' || (key === '\u0004' && this.text === '')) return 'interrupted';
      if (key === '\u007f' || key === '\b') this.text = [...this.text].slice(0, -1).join('');
      else if (key === '\u0015') this.text = '';
      else if (key >= ' ') this.text += key;
    }
    return 'more';
  }
}
