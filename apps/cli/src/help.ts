import type { Command, CommandGroup } from './command.ts';
import type { FlagSpec } from './flags.ts';
import { HTTP_FLAGS } from './http-flags.ts';

/** All flags that a command takes. */
export function flagsOf(command: Command): readonly FlagSpec[] {
  return [...HTTP_FLAGS, ...outputFlags(command), ...ownFlags(command)];
}

const ownFlags = ({ flags }: Command): readonly FlagSpec[] => (flags === undefined || flags === 'own' ? [] : flags);

function outputFlags(command: Command): readonly FlagSpec[] {
  if (!command.output) return [];
  const format: FlagSpec = {
    name: 'format',
    kind: 'text',
    value: 'string',
    help: 'Print the output in the given format: "table", "json", "yaml", "pretty" or "raw". This can also be specified via the COFFER_FORMAT or VAULT_FORMAT environment variable.',
  };
  const field: FlagSpec = {
    name: 'field',
    kind: 'text',
    value: 'string',
    help: 'Print only the field with the given name, without a line end.',
  };
  return command.output === 'field' ? [field, format] : [format];
}

export function commandHelp(program: string, command: Command): string {
  const parts = [
    `Usage: ${program} ${command.name} ${command.usage}`.trimEnd(),
    indent(command.help.replaceAll('$ vault ', `$ ${program} `)),
  ];
  const http = command.http ? HTTP_FLAGS : [];
  if (http.length > 0) parts.push(`HTTP Options:\n\n${describeFlags(http)}`);
  const output = outputFlags(command);
  if (output.length > 0) parts.push(`Output Options:\n\n${describeFlags(output)}`);
  const own = ownFlags(command);
  if (own.length > 0) parts.push(`Command Options:\n\n${describeFlags(own)}`);
  return parts.join('\n\n');
}

function describeFlags(flags: readonly FlagSpec[]): string {
  return [...flags]
    .filter((flag) => !flag.hidden)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => {
      const value =
        flag.kind === 'bool'
          ? ''
          : `=<${flag.value ?? { text: 'string', texts: 'string', int: 'int', uint: 'uint', duration: 'duration', map: 'key=value' }[flag.kind]}>`;
      return `  -${flag.name}${value}\n${wrapped(flag.help, 6)}`;
    })
    .join('\n\n');
}

function wrapped(text: string, by: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > 78 - by) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((item) => ' '.repeat(by) + item).join('\n');
}

const indent = (text: string): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');

/** A word that only has commands below it. */
export function groupHelp(program: string, group: CommandGroup, commands: readonly (Command | CommandGroup)[]): string {
  const rows = commands.map(({ name, synopsis }) => [name.slice(group.name.length + 1), synopsis] as const);
  return `Usage: ${program} ${group.name} <subcommand> [options] [args]\n\n${indent(group.help.replaceAll('vault ', `${program} `))}\n\nSubcommands:\n${columns(rows)}`;
}

/** The commands that are used most, first. */
const COMMON = ['read', 'write', 'delete', 'list', 'login', 'agent', 'server', 'status', 'unwrap'];

export function programHelp(
  program: string,
  commands: readonly { readonly name: string; readonly synopsis: string }[],
): string {
  const top = commands.filter(({ name }) => !name.includes(' '));
  const rows = (some: readonly { readonly name: string; readonly synopsis: string }[]): string =>
    columns(some.map(({ name, synopsis }) => [name, synopsis] as const));
  const common = COMMON.flatMap((name) => top.find((command) => command.name === name) ?? []);
  const others = top.filter(({ name }) => !COMMON.includes(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return `Usage: ${program} <command> [args]\n\nCommon commands:\n${rows(common)}\n\nOther commands:\n${rows(others)}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, synopsis]) => `    ${name.padEnd(width)}    ${synopsis}`).join('\n');
}
