import { COMMANDS, GROUPS } from './commands/index.ts';
import { flagsOf } from './help.ts';

/**
 * Words that may come next, by the protocol of Vault's completion (`COMP_LINE`, `COMP_POINT`): subcommands, and flags
 * once a word begins with `-`.
 */
export function complete(line: string, point: number): readonly string[] {
  const words = line.slice(0, point).split(/\s+/).slice(1);
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1).filter((word) => !word.startsWith('-'));
  const everything = [...COMMANDS, ...GROUPS].map(({ name }) => name.split(' '));
  const next = everything
    .filter((name) => name.length > before.length && before.every((word, at) => name[at] === word))
    .map((name) => name[before.length] ?? '');
  const command = COMMANDS.find(({ name }) => name === before.slice(0, name.split(' ').length).join(' '));
  const flags =
    command && last.startsWith('-')
      ? flagsOf(command)
          .filter((flag) => !flag.hidden)
          .map((flag) => `-${flag.name}`)
      : [];
  return [...new Set([...next, ...flags])].filter((word) => word.startsWith(last)).sort();
}

/** What a shell must read so that the program completes its words. */
export function completionScript(shell: string, program: string): string | undefined {
  switch (shell) {
    case 'bash':
      return `complete -C ${program} ${program}`;
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\ncomplete -o nospace -C ${program} ${program}`;
    case 'fish':
      return `function __complete_${program}\n    set -lx COMP_LINE (commandline -cp)\n    test -z (commandline -ct)\n    and set COMP_LINE "$COMP_LINE "\n    ${program}\nend\ncomplete -f -c ${program} -a "(__complete_${program})"`;
    default:
      return undefined;
  }
}
