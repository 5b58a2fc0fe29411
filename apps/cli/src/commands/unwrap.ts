import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';

const unwrap: Command = {
  name: 'unwrap',
  synopsis: 'Unwrap a wrapped secret',
  usage: '[options] [TOKEN]',
  help: 'Unwraps what a wrapping token keeps; the own token if none is given.\n\n    $ vault unwrap 848f9ccf-7176-098c-5e2b-75a0689d41cd',
  http: true,
  output: 'field',
  arguments: { min: 0, max: 1 },
  async run({ client, args, print }) {
    const [token] = args;
    const body = token === undefined || token === client.settings.token ? undefined : { token };
    const request = {
      method: 'PUT',
      path: 'sys/wrapping/unwrap',
      ...(body ? { body } : {}),
      ...(client.settings.token ? {} : token ? { token } : {}),
    } as const;
    const answer = await doing('Error unwrapping', client.send(request));
    if (!answer) throw new CommandError('Could not find wrapped response');
    return print.secret(answer);
  },
};

export const unwrapCommands: readonly Command[] = [unwrap];
