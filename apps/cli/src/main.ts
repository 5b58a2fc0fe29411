import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { ApiClient, ApiError, ConnectionError } from '@coffer/api-client';
import { CommandError } from './command-error.ts';
import type { Command } from './command.ts';
import { commandWords, globalWords } from './command-words.ts';
import type { GlobalWords } from './command-words.ts';
import { COMMANDS, GROUPS } from './commands/index.ts';
import { complete } from './completion.ts';
import { DryClient, DryRun } from './dry-run.ts';
import { UsageError, parseFlags, trailingFlags } from './flags.ts';
import type { FlagValues } from './flags.ts';
import { commandHelp, flagsOf, groupHelp, programHelp } from './help.ts';
import { SetupError, clientSettings, fromEnvironment } from './http-flags.ts';
import { Printer } from './output/printer.ts';
import { lazyTokenHelper } from './token-helper.ts';
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

const EVERYTHING = [...COMMANDS, ...GROUPS];

/** What the parts of this file share. */
interface Session {
  readonly program: string;
  readonly format: Format;
  readonly dry: GlobalWords['dry'];
  readonly streams: Streams;
}

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
  const { format, dry } = globalWords(argv);
  const asked = format || fromEnvironment(process.env, 'FORMAT');
  const shape = formatOf(asked);
  if (shape === undefined) {
    streams.err(`Invalid output format: ${(asked || '').toLowerCase()}\n`);
    return 1;
  }
  const session = { program, format: shape, dry, streams };
  return dry === undefined ? dispatch(argv, session) : dispatchDry(argv, session);
}

/** Prints what would be sent in place of all else; what went wrong only where nothing would be sent. */
async function dispatchDry(argv: readonly string[], session: Session): Promise<number> {
  const kept: string[] = [];
  const [noun, lower] = session.dry === 'curl' ? ['cURL command', 'cURL string'] : ['policy', 'policy'];
  try {
    const code = await dispatch(argv, { ...session, streams: { ...streams, err: (text) => void kept.push(text) } });
    if (code === 0) {
      streams.err(`Could not generate ${noun}`);
      return 1;
    }
    streams.err(kept.join(''));
    if (code !== 127) streams.err(`Unable to generate ${lower} from command\n`);
    return code;
  } catch (error) {
    if (!(error instanceof DryRun)) throw error;
    streams.out(`${error.text}\n`);
    return 0;
  }
}

async function dispatch(argv: readonly string[], session: Session): Promise<number> {
  const { program } = session;
  const { out, err } = session.streams;
  if (argv.length === 1 && /^(-v|--?version)$/.test(argv[0] ?? '')) return dispatch(['version'], session);
  const { help, before, name, args } = commandWords(argv, EVERYTHING);
  if (name === '' && help) {
    out(`${programHelp(program, EVERYTHING)}\n`);
    return 0;
  }
  const install = argv.find((word) => /^--?autocomplete-(un)?install$/.test(word));
  if (install !== undefined) return changeCompletion(install, session);
  const command = COMMANDS.find((one) => one.name === name);
  const group = GROUPS.find((one) => one.name === name);
  if (!command && !group) {
    err(`${programHelp(program, EVERYTHING)}\n`);
    return 127;
  }
  const text = command ? commandHelp(program, command) : group ? groupHelp(program, group, below(group.name)) : '';
  if (help) {
    out(`${text}\n`);
    return 0;
  }
  if (before.length > 0) {
    err(
      `Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the subcommand.\n\n${text}\n`,
    );
    return 1;
  }
  if (command) return runCommand(command, args, session);
  err(`${text}\n`);
  return 1;
}

const below = (group: string): readonly (Command | (typeof GROUPS)[number])[] =>
  EVERYTHING.filter(
    ({ name }) => name.startsWith(`${group} `) && name.split(' ').length === group.split(' ').length + 1,
  );

async function changeCompletion(flag: string, session: Session): Promise<number> {
  const { installCompletion, uninstallCompletion } = await import('./completion-install.ts');
  const change = flag.endsWith('uninstall') ? uninstallCompletion : installCompletion;
  try {
    for (const path of change(homedir(), session.program)) session.streams.out(`Changed ${path}\n`);
    return 0;
  } catch (error) {
    return explain(error, session);
  }
}

async function runCommand(command: Command, argv: readonly string[], session: Session): Promise<number> {
  try {
    return await runParsed(command, argv, session);
  } catch (error) {
    if (error instanceof SetupError) {
      session.streams.err(`${error.message}\n`);
      return command.setupFailureCode ?? 2;
    }
    return explain(error, session);
  }
}

async function runParsed(command: Command, argv: readonly string[], session: Session): Promise<number> {
  const passThrough = command.flags === 'own';
  const { flags, args } = passThrough ? { ...parseFlags([], []), args: argv } : parse(command, argv, session);
  const { format } = session;
  const yaml = format === 'yaml' ? (await import('./output/yaml.ts')).toYaml : undefined;
  const print = new Printer(format, flags.text('field') || undefined, session.streams, yaml);
  if (!passThrough) checkArguments(command, args);
  const helper = lazyTokenHelper(process.env);
  const stored = async (): Promise<string | undefined> =>
    command.withoutStoredToken ? undefined : (await helper()).get();
  const token = command.http ? (fromEnvironment(process.env, 'TOKEN') ?? (await stored())) : undefined;
  const settings = command.http
    ? clientSettings(flags, process.env, token)
    : clientSettings(parseFlags([], []).flags, {}, undefined);
  const probe = new ApiClient(settings);
  let input: string | undefined;
  const client = session.dry ? new DryClient(probe, session.dry, session.program) : probe;
  return command.run({
    client,
    probe: command.http ? new ApiClient({ ...settings, wrapTtl: undefined }) : probe,
    helper,
    flags,
    args,
    print,
    program: session.program,
    env: process.env,
    readInput: () => (input ??= flags.bool('non-interactive') ? '' : readFileSync(0, 'utf8')),
  });
}

/** @throws UsageError */
function parse(
  command: Command,
  argv: readonly string[],
  session: Session,
): { readonly flags: FlagValues; readonly args: readonly string[] } {
  const parsed = parseFlags(argv, flagsOf(command));
  const trailing = trailingFlags(parsed.args);
  if (trailing.length > 0 && session.format === 'table')
    session.streams.err(
      `Command flags must be provided before positional arguments. The following arguments will not be parsed as flags: [${trailing.join(',')}]\n`,
    );
  // before anything is sent: a write must not be done and its answer then not be shown
  if (session.format === 'raw' && command.raw !== true)
    throw new UsageError('This command does not support the -format=raw option.');
  return parsed;
}

function formatOf(text: string | undefined): Format | undefined {
  if (text === undefined) return 'table';
  const lower = text.toLowerCase();
  if (!FORMATS.includes(lower)) return undefined;
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
function explain(error: unknown, session: Session): number {
  const { err } = session.streams;
  if (error instanceof UsageError) {
    err(`${error.message}\n`);
    return 1;
  }
  if (error instanceof ApiError || error instanceof ConnectionError || error instanceof CommandError) {
    // empty where all was said already
    if (error.message !== '') err(`${error.message}\n`);
    return error instanceof CommandError ? error.code : 2;
  }
  if (error instanceof Error && 'syscall' in error) {
    // A file or a terminal that cannot be used; what was asked of the server has errors of its own.
    err(`Error: ${error.message}\n`);
    return 1;
  }
  throw error;
}
