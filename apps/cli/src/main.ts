import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { ApiClient, ApiError, ConnectionError } from '@coffer/api-client';
import { CommandError } from './command-error.ts';
import type { Command } from './command.ts';
import { COMMANDS, GROUPS } from './commands/index.ts';
import { complete } from './completion.ts';
import { DryClient, DryRun } from './dry-run.ts';
import { UsageError, parseFlags, trailingFlags } from './flags.ts';
import { commandHelp, flagsOf, groupHelp, programHelp } from './help.ts';
import { HeaderError, clientSettings, fromEnvironment } from './http-flags.ts';
import { Printer } from './output/printer.ts';
import { tokenHelper } from './token-helper.ts';
import type { Format, Streams } from './output/printer.ts';

const FORMATS: readonly string[] = ['table', 'json', 'yaml', 'yml', 'pretty', 'raw'];

// Who reads only the first lines (`coffer list … | head -1`) closes the pipe: no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

const streams: Streams = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

/**
 * The whole program.
 *
 * @param argv what follows the program's name
 * @param called how it was called: under the name `vault` it speaks of itself so
 * @returns the exit code: 0; 1 for mistakes of the caller; 2 for what the server refuses; 127 for unknown commands
 */
export async function main(argv: readonly string[], called: string): Promise<number> {
  const program = basename(called) === 'vault' ? 'vault' : 'coffer';
  if (process.env.COMP_LINE !== undefined) {
    streams.out(
      complete(process.env.COMP_LINE, Number(process.env.COMP_POINT ?? process.env.COMP_LINE.length))
        .map((word) => `${word}\n`)
        .join(''),
    );
    return 0;
  }
  const [only] = argv;
  if (only !== undefined && /^--?autocomplete-(un)?install$/.test(only)) return changeCompletion(only, program);
  const words = normalised(argv);
  const [first] = words;
  const everything = [...COMMANDS, ...GROUPS];
  if (first === undefined || first === 'help' || isHelp(first)) {
    (first === undefined ? streams.err : streams.out)(`${programHelp(program, everything)}\n`);
    return first === undefined ? 127 : 0;
  }
  const command = findCommand(words);
  if (command) return runCommand(command, words.slice(command.name.split(' ').length), program);
  const group = [...GROUPS]
    .sort((a, b) => b.name.length - a.name.length)
    .find(({ name }) => `${words.join(' ')} `.startsWith(`${name} `));
  if (!group) {
    streams.err(`${programHelp(program, everything)}\n`);
    return 127;
  }
  const depth = group.name.split(' ').length;
  const below = everything.filter(
    ({ name }) => name.startsWith(`${group.name} `) && name.split(' ').length === depth + 1,
  );
  const asked = words.slice(depth).some(isHelp);
  (asked ? streams.out : streams.err)(`${groupHelp(program, group, below)}\n`);
  return asked ? 0 : 1;
}

async function changeCompletion(flag: string, program: string): Promise<number> {
  const { installCompletion, uninstallCompletion } = await import('./completion-install.ts');
  const change = flag.endsWith('uninstall') ? uninstallCompletion : installCompletion;
  try {
    for (const path of change(homedir(), program)) streams.out(`Changed ${path}\n`);
    return 0;
  } catch (error) {
    return explain(error, new Printer('table', undefined, streams, undefined));
  }
}

/** `-v` and `--version` are commands, too. */
function normalised(argv: readonly string[]): readonly string[] {
  return argv[0] === '-v' || argv[0] === '-version' || argv[0] === '--version' ? ['version', ...argv.slice(1)] : argv;
}

const isHelp = (word: string): boolean => word === '-h' || word === '-help' || word === '--help';

function findCommand(words: readonly string[]): Command | undefined {
  const text = `${words.join(' ')} `;
  return COMMANDS.filter(({ name }) => text.startsWith(`${name} `)).sort((a, b) => b.name.length - a.name.length)[0];
}

async function runCommand(command: Command, argv: readonly string[], program: string): Promise<number> {
  if (argv.some(isHelp)) {
    streams.out(`${commandHelp(program, command)}\n`);
    return 0;
  }
  try {
    return await runParsed(command, argv, program);
  } catch (error) {
    return explain(error, new Printer('table', undefined, streams, undefined));
  }
}

async function runParsed(command: Command, argv: readonly string[], program: string): Promise<number> {
  const passThrough =
    command.arguments.max === Number.POSITIVE_INFINITY &&
    !command.http &&
    !command.output &&
    command.flags === undefined;
  const { flags, args } = passThrough ? { ...parseFlags([], []), args: argv } : parseFlags(argv, flagsOf(command));
  const format = formatOf(
    flags.text('format') ?? (command.output ? fromEnvironment(process.env, 'FORMAT') : undefined),
  );
  const yaml = format === 'yaml' ? (await import('./output/yaml.ts')).toYaml : undefined;
  const print = new Printer(format, flags.text('field'), streams, yaml);
  const trailing = passThrough ? [] : trailingFlags(args);
  if (trailing.length > 0 && format === 'table')
    print.error(
      `Command flags must be provided before positional arguments. The following arguments will not be parsed as flags: [${trailing.join(',')}]`,
    );
  checkArguments(command, args);
  const helper = await tokenHelper(process.env);
  const settings = command.http
    ? clientSettings(flags, process.env, () => helper.get())
    : clientSettings(parseFlags([], []).flags, {}, () => undefined);
  const probe = new ApiClient(settings);
  const dry = flags.bool('output-curl-string') ? 'curl' : flags.bool('output-policy') ? 'policy' : undefined;
  let input: string | undefined;
  try {
    return await command.run({
      client: dry ? new DryClient(probe, dry, program) : probe,
      probe: command.http ? new ApiClient({ ...settings, wrapTtl: undefined }) : probe,
      helper,
      flags,
      args,
      print,
      program,
      env: process.env,
      readInput: () => (input ??= readFileSync(0, 'utf8')),
    });
  } catch (error) {
    if (!(error instanceof DryRun)) throw error;
    print.line(error.text);
    return 0;
  }
}

function formatOf(text: string | undefined): Format {
  if (text === undefined || text === '') return 'table';
  const lower = text.toLowerCase();
  if (!FORMATS.includes(lower)) throw new UsageError(`Invalid output format: ${text}`);
  return lower === 'yml' ? 'yaml' : (lower as Format);
}

function checkArguments({ arguments: { min, max, text } }: Command, args: readonly string[]): void {
  const expected =
    text ??
    (min === max
      ? String(min)
      : max === Number.POSITIVE_INFINITY
        ? `at least ${String(min)}`
        : `${String(min)}-${String(max)}`);
  if (args.length < min)
    throw new UsageError(`Not enough arguments (expected ${expected}, got ${String(args.length)})`);
  if (args.length > max) throw new UsageError(`Too many arguments (expected ${expected}, got ${String(args.length)})`);
}

/** @returns the exit code */
function explain(error: unknown, print: Printer): number {
  if (error instanceof UsageError) {
    print.error(error.message);
    return 1;
  }
  if (
    error instanceof ApiError ||
    error instanceof ConnectionError ||
    error instanceof HeaderError ||
    error instanceof CommandError
  ) {
    print.error(error.message);
    return error instanceof CommandError ? error.code : 2;
  }
  if (error instanceof Error && 'syscall' in error) {
    // A file or a terminal that cannot be used; what was asked of the server has errors of its own.
    print.error(`Error: ${error.message}`);
    return 1;
  }
  throw error;
}
