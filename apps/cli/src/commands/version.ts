import type { Command } from '../command.ts';

const version: Command = {
  name: 'version',
  synopsis: 'Prints the Coffer version',
  usage: '',
  help: 'Prints the version of this program.\n\n    $ vault version',
  flags: 'own',
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  run({ print, program, args }) {
    const own = '0.1.0';
    const api = '1.21.0';
    // Vault knows no format here: what the environment says is for other commands.
    const asked = args.some((word) => /^--?format(=|$)/.test(word));
    if (!asked || !print.value({ version: own, api_version: api })) {
      print.line(
        program === 'vault'
          ? `Vault v${api}+coffer.${own} (coffer), built 2026-11-24T00:00:00Z`
          : `Coffer v${own} (Vault API ${api})`,
      );
    }
    return 0;
  },
};

export const versionCommands: readonly Command[] = [version];
