import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';

const pathHelp: Command = {
  name: 'path-help',
  synopsis: 'Retrieve API help for paths',
  usage: '[options] PATH',
  help: 'Retrieves the help of a path.\n\n    $ vault path-help database/roles/',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = (args[0] ?? '').replace(/^\/+/, '');
    const answer = await doing('Error retrieving help', client.send({ method: 'GET', path, query: { help: '1' } }));
    const help = answer?.help ?? answer?.data?.help;
    if (print.value(answer?.openapi ?? answer?.data?.openapi ?? {})) return 0;
    print.line(String(help ?? '').trimEnd());
    return 0;
  },
};

export const pathHelpCommands: readonly Command[] = [pathHelp];
