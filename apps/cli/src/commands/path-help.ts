import { ApiError } from '@coffer/api-client';
import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
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
    const answer = await doing(
      'Error retrieving help',
      client.send({ method: 'GET', path, query: { help: '1' } }).catch((error: unknown) => {
        if (error instanceof ApiError && error.errors.includes('Vault is sealed'))
          throw new CommandError(
            'Error: Vault is sealed.\n\nThe "path-help" command asks the engines that are mounted, which a sealed server\ndoes not know. Unseal it first; see "operator unseal".',
          );
        throw error;
      }),
    );
    const help = answer?.help ?? answer?.data?.help;
    // as Vault has it: JSON on one line, and the text in every other format
    if (print.format === 'json') print.line(JSON.stringify(answer?.openapi ?? answer?.data?.openapi ?? null));
    else print.line(String(help ?? ''));
    return 0;
  },
};

export const pathHelpCommands: readonly Command[] = [pathHelp];
