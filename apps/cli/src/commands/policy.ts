import { readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { reason } from '../key-values.ts';
import { orMissing } from './generic.ts';

const write: Command = {
  name: 'policy write',
  synopsis: 'Uploads a named policy from a file',
  usage: '[options] NAME PATH',
  help: 'Uploads a policy with the given name from a file, or from standard input if the path is "-".\n\n    $ vault policy write my-policy /tmp/policy.hcl',
  http: true,
  arguments: { min: 2, max: 2 },
  async run({ client, args, print, readInput }) {
    const [name = ''] = args;
    const path = (args[1] ?? '').trim();
    const lower = name.trim().toLowerCase();
    let policy: string;
    try {
      policy = path === '-' ? readInput() : readFileSync(path, 'utf8');
    } catch (error) {
      throw new CommandError(`Error opening policy file: open ${path}: ${reason(error)}`);
    }
    await doing(
      'Error uploading policy',
      client.send({ method: 'PUT', path: `sys/policies/acl/${lower}`, body: { policy } }),
    );
    if (lower !== name) print.error(`Policy name was converted from "${name}" to "${lower}"`);
    print.line(`Success! Uploaded policy: ${lower}`);
    return 0;
  },
};

const read: Command = {
  name: 'policy read',
  synopsis: 'Prints the contents of a policy',
  usage: '[options] [NAME]',
  help: 'Prints the contents of a policy.\n\n    $ vault policy read my-policy',
  http: true,
  output: 'format',
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const name = (args[0] ?? '').toLowerCase().trim();
    const answer = await doing(
      `Error reading policy named ${name}`,
      orMissing(client.send({ method: 'GET', path: `sys/policies/acl/${name}` })),
    );
    const policy = answer?.data?.policy;
    if (typeof policy !== 'string' || policy === '') throw new CommandError(`No policy named: ${name}`);
    if (!print.value({ policy })) print.line(policy.trim());
    return 0;
  },
};

const list: Command = {
  name: 'policy list',
  synopsis: 'Lists the installed policies',
  usage: '[options]',
  help: 'Lists the names of the policies that are installed.\n\n    $ vault policy list',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    const answer = await doing(
      'Error listing policies',
      client.send({ method: 'GET', path: 'sys/policies/acl', query: { list: 'true' } }),
    );
    // a wrapped answer has no names to show
    if (!answer?.data) throw new CommandError('Error listing policies: data from server response is empty');
    const keys = (answer.data.keys ?? []) as readonly string[];
    if (!print.value(keys)) for (const key of keys) print.line(key);
    return 0;
  },
};

const remove: Command = {
  name: 'policy delete',
  synopsis: 'Deletes a policy by name',
  usage: '[options] NAME',
  help: 'Deletes the named policy.\n\n    $ vault policy delete my-policy',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args, print }) {
    const name = (args[0] ?? '').toLowerCase().trim();
    await doing(`Error deleting ${name}`, client.send({ method: 'DELETE', path: `sys/policies/acl/${name}` }));
    print.line(`Success! Deleted policy: ${name}`);
    return 0;
  },
};

const fmt: Command = {
  name: 'policy fmt',
  synopsis: 'Formats a policy on disk',
  usage: '[options] PATH',
  help: 'Formats a policy file in place.\n\n    $ vault policy fmt my-policy.hcl',
  arguments: { min: 1, max: 1 },
  async run({ args, print }) {
    const path = (args[0] ?? '').trim().replace(/^~(?=\/|$)/, homedir());
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      throw new CommandError(`Error reading source file: open ${path}: ${reason(error)}`, 1);
    }
    const [{ formatPolicy }, { ConfigError }] = await Promise.all([
      import('../policy-format.ts'),
      import('@coffer/config'),
    ]);
    let formatted: string;
    try {
      formatted = formatPolicy(text, path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new CommandError(`failed to parse policy: ${error.message}`, 1);
    }
    if (formatted !== text) writeFileSync(path, formatted);
    print.line(`Success! Formatted policy: ${path}`);
    return 0;
  },
};

export const policyCommands: readonly Command[] = [write, read, list, remove, fmt];
