import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';
import { cleanPath } from './generic.ts';

const pathHelp: Command = {
  name: 'path-help',
  synopsis: 'Retrieve API help for paths',
  usage: '[options] PATH',
  help: 'Retrieves the help of a path.\n\n    $ vault path-help database/roles/',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const path = cleanPath(args[0] ?? '');
    const answer = await doing('Error retrieving help', client.send({ method: 'GET', path, query: { help: '1' } }));
    const help = answer?.help ?? answer?.data?.help;
    // as Vault has it: JSON on one line, and the text in every other format
    if (print.format === 'json') print.line(JSON.stringify(answer?.openapi ?? answer?.data?.openapi ?? null));
    else print.line(String(help ?? ''));
    return 0;
  },
};

export const pathHelpCommands: readonly Command[] = [pathHelp];
