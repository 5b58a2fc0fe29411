import type { Command, CommandGroup } from './command.ts';

/** What all words of a command line say together, wherever they stand before a `--`. */
export interface GlobalWords {
  /** As it was given; undefined where no word says it. */
  readonly format: string | undefined;
  /** Instead of sending the request, what to print. */
  readonly dry: 'curl' | 'policy' | undefined;
}

/** Vault's clients look for a few flags among all words, before they know the command. */
export function globalWords(argv: readonly string[]): GlobalWords {
  let format: string | undefined;
  let [curl, policy, formatFollows] = [false, false, false];
  for (const word of argv) {
    if (formatFollows) {
      format = word;
      formatFollows = false;
      continue;
    }
    if (word === '--') break;
    const [, name, value] = /^--?(output-curl-string|output-policy|format)(?:=([^]*))?$/.exec(word) ?? [];
    if (name === 'format' && value === undefined) formatFollows = true;
    else if (name === 'format') format = value;
    else if (name === 'output-curl-string' && value === undefined) curl = true;
    else if (name === 'output-policy' && value === undefined) policy = true;
  }
  return { format, dry: curl ? 'curl' : policy ? 'policy' : undefined };
}

/** A command line, taken apart. */
export interface CommandWords {
  /** `-h`, `-help` or `--help` is among the words. */
  readonly help: boolean;
  /** Flags that stand before the command. */
  readonly before: readonly string[];
  /** The words that name a command or a group, as far as they are known; empty if there are none. */
  readonly name: string;
  readonly args: readonly string[];
}

const HELP: readonly string[] = ['-h', '-help', '--help'];
const VERSION: readonly string[] = ['-v', '-version', '--version'];

/** Finds the command that the words begin with: its name is as long as there is a command or group for it. */
export function commandWords(argv: readonly string[], known: readonly (Command | CommandGroup)[]): CommandWords {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  const help = words.some((word) => HELP.includes(word));
  const start = words.findIndex((word) => word !== '' && !word.startsWith('-'));
  const before = (start === -1 ? words : words.slice(0, start)).filter(
    (word) => word !== '' && !HELP.includes(word) && !VERSION.includes(word),
  );
  const first = words[start];
  if (first === undefined || first.includes(' ')) return { help, before, name: '', args: [] };
  const names = argv.slice(start);
  const stop = names.findIndex((word) => word === '' || word.startsWith('-') || word.includes(' '));
  const text = `${(stop === -1 ? names : names.slice(0, stop)).join(' ')} `;
  const name = known
    .map((candidate) => candidate.name)
    .filter((candidate) => text.startsWith(`${candidate} `))
    .reduce((longest, candidate) => (candidate.length > longest.length ? candidate : longest), '');
  return { help, before, name: name || first, args: argv.slice(start + (name || first).split(' ').length) };
}
