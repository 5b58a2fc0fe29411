import type { Command } from '../command.ts';

const printToken: Command = {
  name: 'print token',
  synopsis: 'Prints the token currently in use',
  usage: '[options]',
  help: 'Prints the token that commands would use.\n\n    $ vault print token',
  http: true,
  flags: 'own',
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  run({ client, print }) {
    print.line(client.settings.token ?? '');
    return 0;
  },
};

export const printTokenCommands: readonly Command[] = [printToken];
