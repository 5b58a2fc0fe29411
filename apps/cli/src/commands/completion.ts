import type { Command } from '../command.ts';
import { UsageError } from '../flags.ts';
import { completionScript } from '../completion.ts';

const completion: Command = {
  name: 'completion',
  synopsis: 'Prints shell completion',
  usage: 'bash|zsh|fish',
  help: 'Prints what a shell must read to complete the words of this program.\n\n    $ vault completion bash >> ~/.bashrc',
  arguments: { min: 1, max: 1 },
  run({ args, print, program }) {
    const script = completionScript(args[0] ?? '', program);
    if (script === undefined) throw new UsageError(`unknown shell "${args[0] ?? ''}": expected bash, zsh or fish`);
    print.line(script);
    return 0;
  },
};

export const completionCommands: readonly Command[] = [completion];
