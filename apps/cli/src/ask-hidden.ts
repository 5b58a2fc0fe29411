import { createInterface } from 'node:readline';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';

/**
 * Asks on standard error, and reads a line that a terminal does not show; of a pipe, its first line.
 *
 * @throws CommandError with `-non-interactive`, or if the user gives up by Ctrl-C or Ctrl-D
 */
export async function askHidden({ flags }: Pick<CommandContext, 'flags'>, prompt: string): Promise<string> {
  if (flags.bool('non-interactive'))
    throw new CommandError('Refusing to ask for input with -non-interactive specified', 1);
  process.stderr.write(prompt);
  try {
    return await (process.stdin.isTTY ? typed() : firstLine());
  } finally {
    process.stderr.write('\n');
  }
}

function firstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => resolve(''));
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
