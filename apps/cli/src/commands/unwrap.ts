import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';
import { orMissing } from './generic.ts';

const unwrap: Command = {
  name: 'unwrap',
  synopsis: 'Unwrap a wrapped secret',
  usage: '[options] [TOKEN]',
  help: 'Unwraps what a wrapping token keeps; the own token if none is given.\n\n    $ vault unwrap 848f9ccf-7176-098c-5e2b-75a0689d41cd',
  http: true,
  output: 'field',
  arguments: { min: 0, max: 1 },
  async run({ client, args, print }) {
    const token = args[0]?.trim() || undefined;
    const { token: own } = client.settings;
    const body = token === undefined || own === undefined || token === own ? null : { token };
    const request = {
      method: 'PUT',
      path: 'sys/wrapping/unwrap',
      body,
      ...(own === undefined && token !== undefined ? { token } : {}),
    } as const;
    // what was wrapped may be the answer to a read of nothing
    const answer = await doing('Error unwrapping', orMissing(client.send(request)));
    if (!answer) {
      if (print.format === 'table') print.line('Successfully unwrapped. There was no data in the wrapped secret.');
      return 0;
    }
    if (print.field === undefined && Array.isArray(answer.data?.keys)) return print.keys(answer);
    return print.secret(answer);
  },
};

export const unwrapCommands: readonly Command[] = [unwrap];
