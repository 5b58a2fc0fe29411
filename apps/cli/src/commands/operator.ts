import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import type { FlagSpec } from '../flags.ts';
import { titledTable } from '../output/table.ts';
import { leaderOf, printSeal } from './status.ts';

const keyFlags: readonly FlagSpec[] = [
  { name: 'key-shares', kind: 'int', value: 'int', help: 'Number of shares to split the key into.', aliases: ['n'] },
  { name: 'key-threshold', kind: 'int', value: 'int', help: 'Number of shares that are needed.', aliases: ['t'] },
  {
    name: 'pgp-keys',
    kind: 'texts',
    value: 'string',
    help: 'Files of PGP public keys, separated by commas, one a share.',
  },
];

/** PGP keys from files, in base64, as the API takes them. */
function pgpKeys(texts: readonly string[]): readonly string[] {
  return texts
    .flatMap((text) => text.split(','))
    .filter((path) => path !== '')
    .map((path) => {
      return readFileSync(path.replace(/^@/, ''), 'utf8').trim();
    });
}

const init: Command = {
  name: 'operator init',
  synopsis: 'Initializes a server',
  usage: '[options]',
  help: 'Initializes a server: makes its keys, and splits the key that unseals it.\n\n    $ vault operator init -key-shares=3 -key-threshold=2',
  http: true,
  output: 'format',
  flags: [
    ...keyFlags,
    { name: 'root-token-pgp-key', kind: 'text', value: 'string', help: 'File of a PGP public key for the root token.' },
    {
      name: 'status',
      kind: 'bool',
      help: 'Print whether it is initialized. Exit code: 0 if so, 2 if not, 1 for an error.',
    },
    { name: 'recovery-shares', kind: 'int', value: 'int', help: 'For seals that unseal by themselves.' },
    { name: 'recovery-threshold', kind: 'int', value: 'int', help: 'For seals that unseal by themselves.' },
    { name: 'recovery-pgp-keys', kind: 'texts', value: 'string', help: 'For seals that unseal by themselves.' },
    { name: 'stored-shares', kind: 'int', value: 'int', help: 'For seals that keep shares.' },
  ],
  arguments: { min: 0, max: 0 },
  async run(context) {
    const { client, flags, print } = context;
    if (flags.bool('status')) {
      const answer = await doing(
        'Error checking initialization status',
        client.send({ method: 'GET', path: 'sys/init' }),
      );
      const initialized = answer?.initialized === true;
      if (!print.value({ initialized })) print.line(initialized ? 'Vault is initialized' : 'Vault is not initialized');
      return initialized ? 0 : 2;
    }
    const shares = flags.int('key-shares') ?? 5;
    const keys = pgpKeys(flags.texts('pgp-keys'));
    const rootKey = flags.text('root-token-pgp-key');
    const body = {
      secret_shares: shares,
      secret_threshold: flags.int('key-threshold') ?? (shares === 1 ? 1 : Math.min(3, Math.max(2, shares))),
      ...(keys.length > 0 ? { pgp_keys: keys } : {}),
      ...(rootKey === undefined ? {} : { root_token_pgp_key: pgpKeys([rootKey])[0] }),
    };
    const answer = await doing('Error initializing', client.send({ method: 'PUT', path: 'sys/init', body }));
    if (!answer) throw new CommandError('Error initializing: no answer');
    return printInit(context, answer, shares, body.secret_threshold);
  },
};

function printInit({ print }: CommandContext, answer: ApiResponse, shares: number, threshold: number): number {
  const hex = answer.keys as readonly string[];
  const base64 = answer.keys_base64 as readonly string[];
  const json = {
    unseal_keys_b64: base64,
    unseal_keys_hex: hex,
    unseal_shares: shares,
    unseal_threshold: threshold,
    recovery_keys_b64: [],
    recovery_keys_hex: [],
    recovery_keys_shares: 0,
    recovery_keys_threshold: 0,
    root_token: answer.root_token,
  };
  if (print.value(json)) return 0;
  base64.forEach((key, index) => print.line(`Unseal Key ${String(index + 1)}: ${key}`));
  print.line(`\nInitial Root Token: ${String(answer.root_token)}\n`);
  print.line(
    `Vault initialized with ${String(shares)} key shares and a key threshold of ${String(threshold)}. Please\nsecurely distribute the key shares printed above. When the Vault is re-sealed,\nrestarted, or stopped, you must supply at least ${String(threshold)} of these keys to unseal it\nbefore it can start servicing requests.\n\nVault does not store the generated root key. Without at least ${String(threshold)} keys to\nreconstruct the root key, Vault will remain permanently sealed!\n\nIt is possible to generate new unseal keys, provided you have a quorum of\nexisting unseal keys shares. See "vault operator rekey" for more information.`,
  );
  return 0;
}

const unseal: Command = {
  name: 'operator unseal',
  synopsis: 'Unseals a server',
  usage: '[options] [KEY]',
  help: 'Gives a key share to a server; it is asked for if left out.\n\n    $ vault operator unseal',
  http: true,
  output: 'format',
  flags: [
    { name: 'reset', kind: 'bool', help: 'Forget the shares given so far.' },
    { name: 'migrate', kind: 'bool', help: 'Part of a seal migration.' },
  ],
  arguments: { min: 0, max: 1 },
  async run(context) {
    const { client, flags, args } = context;
    if (flags.bool('reset')) {
      const answer = await doing(
        'Error resetting unseal process',
        client.send({ method: 'PUT', path: 'sys/unseal', body: { reset: true } }),
      );
      if (answer) printSeal(context, answer, undefined);
      return 0;
    }
    const key = (args[0] ?? (await askHidden('Unseal Key (will be hidden): '))).trim();
    const answer = await doing(
      'Error unsealing',
      client.send({ method: 'PUT', path: 'sys/unseal', body: { key, reset: false, migrate: flags.bool('migrate') } }),
    );
    if (answer) printSeal(context, answer, answer.sealed === true ? undefined : await leaderOf(context));
    return 0;
  },
};

/** One line from the terminal, not shown. */
async function askHidden(prompt: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const { Writable } = await import('node:stream');
  process.stderr.write(prompt);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: process.stdin.isTTY });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

const seal: Command = {
  name: 'operator seal',
  synopsis: 'Seals a server',
  usage: '[options]',
  help: 'Seals a server: it forgets its keys and answers no requests until it is unsealed.\n\n    $ vault operator seal',
  http: true,
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    await doing('Error sealing', client.send({ method: 'PUT', path: 'sys/seal' }));
    print.line('Success! Vault is sealed.');
    return 0;
  },
};

const stepDown: Command = {
  name: 'operator step-down',
  synopsis: 'Forces the active node to step down',
  usage: '[options]',
  help: 'Makes the active node hand over to a standby.\n\n    $ vault operator step-down',
  http: true,
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    await doing(`Error stepping down`, client.send({ method: 'PUT', path: 'sys/step-down' }));
    print.line(`Success! Stepped down: ${client.settings.address}`);
    return 0;
  },
};

function printKeyStatus({ print }: CommandContext, answer: ApiResponse, before: string): number {
  const data = answer.data ?? {};
  const status = {
    term: data.term ?? answer.term,
    install_time: data.install_time ?? answer.install_time,
    encryptions: data.encryptions ?? answer.encryptions,
  };
  if (print.value(status)) return 0;
  if (before !== '') print.line(`${before}\n`);
  print.line(
    `Key Term              ${String(status.term)}\nInstall Time          ${goTime(String(status.install_time))}\nEncryption Count      ${String(status.encryptions)}`,
  );
  return 0;
}

/** RFC 3339 as Go prints a time in UTC. */
function goTime(text: string): string {
  const time = new Date(text);
  return Number.isNaN(time.getTime())
    ? text
    : time.toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/, '$2 $3 $4 $5 UTC');
}

const keyStatus: Command = {
  name: 'operator key-status',
  synopsis: 'Provides information about the active encryption key',
  usage: '[options]',
  help: 'Shows the term, age and use of the newest encryption key.\n\n    $ vault operator key-status',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run(context) {
    const answer = await doing(
      'Error reading key status',
      context.client.send({ method: 'GET', path: 'sys/key-status' }),
    );
    return answer ? printKeyStatus(context, answer, '') : 0;
  },
};

const rotate: Command = {
  name: 'operator rotate',
  synopsis: 'Rotates the underlying encryption key',
  usage: '[options]',
  help: 'Adds a new encryption key; what is written from now on is encrypted with it.\n\n    $ vault operator rotate',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run(context) {
    const { client, probe } = context;
    await doing('Error rotating key', client.send({ method: 'PUT', path: 'sys/rotate' }));
    const answer = await doing('Error reading key status', probe.send({ method: 'GET', path: 'sys/key-status' }));
    return answer ? printKeyStatus(context, answer, 'Success! Rotated key') : 0;
  },
};

const members: Command = {
  name: 'operator members',
  synopsis: 'Returns the list of nodes in the cluster',
  usage: '[options]',
  help: 'Lists the nodes of the cluster.\n\n    $ vault operator members',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    const answer = await doing('Error getting HA status', client.send({ method: 'GET', path: 'sys/ha-status' }));
    const nodes = (answer?.nodes ?? answer?.data?.nodes ?? []) as readonly Readonly<Record<string, unknown>>[];
    if (print.value({ Nodes: nodes })) return 0;
    const rows = nodes.map((node) =>
      [
        node.hostname,
        node.api_address,
        node.cluster_address,
        node.active_node,
        node.version,
        node.upgrade_version,
        node.redundancy_zone,
        node.last_echo ?? '',
      ].map((value) => String(value ?? '')),
    );
    print.line(
      titledTable(
        [
          'Host Name',
          'API Address',
          'Cluster Address',
          'Active Node',
          'Version',
          'Upgrade Version',
          'Redundancy Zone',
          'Last Echo',
        ],
        rows,
      ),
    );
    return 0;
  },
};

const generateRoot: Command = {
  name: 'operator generate-root',
  synopsis: 'Generates a new root token',
  usage: '[options] -init [-otp=...] [-pgp-key=...]',
  help: 'Makes a new root token by the key shares of several people.\n\n    $ vault operator generate-root -init',
  http: true,
  output: 'format',
  flags: [
    { name: 'init', kind: 'bool', help: 'Start an attempt.' },
    { name: 'cancel', kind: 'bool', help: 'Cancel the attempt.' },
    { name: 'status', kind: 'bool', help: 'Print how far the attempt is.' },
    { name: 'decode', kind: 'text', value: 'string', help: 'Decode an encoded token; with -otp.' },
    { name: 'generate-otp', kind: 'bool', help: 'Print a one-time password.' },
    { name: 'otp', kind: 'text', value: 'string', help: 'One-time password.' },
    { name: 'pgp-key', kind: 'text', value: 'string', help: 'File of a PGP public key for the token.' },
    { name: 'nonce', kind: 'text', value: 'string', help: 'Names the attempt.' },
    { name: 'dr-token', kind: 'bool', help: 'Make a DR operation token.', hidden: true },
    { name: 'recovery-token', kind: 'bool', help: 'Make a recovery token.', hidden: true },
  ],
  arguments: { min: 0, max: 1 },
  async run(context) {
    const { client, flags, print } = context;
    if (flags.bool('generate-otp')) {
      print.text(oneTimePassword(26));
      return 0;
    }
    const encoded = flags.text('decode');
    if (encoded !== undefined) {
      const otp = flags.text('otp');
      if (otp === undefined) throw new UsageError('Missing otp: use -otp');
      const bytes = Buffer.from(encoded, 'base64');
      const token = Buffer.from(bytes.map((byte, index) => byte ^ (otp.charCodeAt(index) || 0))).toString('utf8');
      if (!print.value({ token })) print.line(token);
      return 0;
    }
    const path = 'sys/generate-root/attempt';
    if (flags.bool('cancel')) {
      await doing('Error canceling root token generation', client.send({ method: 'DELETE', path }));
      print.line('Success! Root token generation canceled (if it was started)');
      return 0;
    }
    if (flags.bool('init')) {
      const pgp = flags.text('pgp-key');
      const answer = await doing(
        'Error initializing root generation',
        client.send({ method: 'PUT', path, body: pgp === undefined ? {} : { pgp_key: pgpKeys([pgp])[0] } }),
      );
      return printAttempt(context, answer);
    }
    const status = await doing('Error getting root generation status', client.send({ method: 'GET', path }));
    if (flags.bool('status')) return printAttempt(context, status);
    if (status?.started !== true)
      throw new UsageError(
        'No root generation is in progress. Start a root generation by running "vault operator generate-root -init".',
      );
    const nonce = flags.text('nonce') ?? String(status.nonce);
    const key = (
      context.args[0] === '-'
        ? context.readInput()
        : (context.args[0] ?? (await askHidden('Unseal Key (will be hidden): ')))
    ).trim();
    return printAttempt(
      context,
      await doing(
        'Error posting unseal key',
        client.send({ method: 'PUT', path: 'sys/generate-root/update', body: { key, nonce } }),
      ),
    );
  },
};

function printAttempt({ print }: CommandContext, answer: ApiResponse | undefined): number {
  if (!answer) return 0;
  const value = answer.data ?? answer;
  if (print.value(value)) return 0;
  const text = (name: string): string => String(value[name] ?? '');
  const rows: (readonly string[])[] = [
    ['Nonce', text('nonce')],
    ['Started', text('started')],
    ['Progress', `${text('progress')}/${text('required')}`],
    ['Complete', text('complete')],
  ];
  if (value.pgp_fingerprint) rows.push(['PGP Fingerprint', text('pgp_fingerprint')]);
  if (value.encoded_token) rows.push(['Encoded Token', text('encoded_token')]);
  if (value.otp) rows.push(['OTP', text('otp')]);
  if (value.otp_length) rows.push(['OTP Length', text('otp_length')]);
  print.line(
    rows.map(([name = '', content = '']) => `${name.padEnd(13)} ${content === '' ? 'n/a' : content}`).join('\n'),
  );
  return 0;
}

/** Characters from 0-9A-Za-z, unbiased. */
function oneTimePassword(length: number): string {
  let text = '';
  while (text.length < length)
    text += randomBytes(length * 2)
      .toString('base64')
      .replaceAll(/[^0-9A-Za-z]/g, '');
  return text.slice(0, length);
}

const rekey: Command = {
  name: 'operator rekey',
  synopsis: 'Generates new unseal keys',
  usage: '[options] [KEY]',
  help: 'Makes new key shares by the shares of several people.\n\n    $ vault operator rekey -init -key-shares=5 -key-threshold=3',
  http: true,
  output: 'format',
  flags: [
    ...keyFlags,
    { name: 'init', kind: 'bool', help: 'Start an attempt.' },
    { name: 'cancel', kind: 'bool', help: 'Cancel the attempt.' },
    { name: 'status', kind: 'bool', help: 'Print how far the attempt is.' },
    { name: 'verify', kind: 'bool', help: 'Verify new shares.' },
    { name: 'nonce', kind: 'text', value: 'string', help: 'Names the attempt.' },
    { name: 'target', kind: 'text', value: 'string', help: 'What to rekey: "barrier" or "recovery".' },
    { name: 'backup', kind: 'bool', help: 'Keep PGP-encrypted shares in storage.' },
  ],
  arguments: { min: 0, max: 1 },
  async run(context) {
    const { client, flags, print } = context;
    const path = 'sys/rekey/init';
    if (flags.bool('cancel')) {
      await doing('Error canceling rekey', client.send({ method: 'DELETE', path }));
      print.line('Success! Canceled rekeying (if it was started)');
      return 0;
    }
    if (flags.bool('init')) {
      const keys = pgpKeys(flags.texts('pgp-keys'));
      const body = {
        secret_shares: flags.int('key-shares') ?? 5,
        secret_threshold: flags.int('key-threshold') ?? 3,
        ...(keys.length > 0 ? { pgp_keys: keys } : {}),
      };
      return printRekey(context, await doing('Error initializing rekey', client.send({ method: 'PUT', path, body })));
    }
    const status = await doing('Error reading rekey status', client.send({ method: 'GET', path }));
    if (flags.bool('status')) return printRekey(context, status);
    if (status?.started !== true)
      throw new UsageError('No rekey is in progress. Start a rekey process by running "vault operator rekey -init".');
    const key = (
      context.args[0] === '-'
        ? context.readInput()
        : (context.args[0] ?? (await askHidden('Rekey operation nonce: share (will be hidden): ')))
    ).trim();
    return printRekey(
      context,
      await doing(
        'Error posting unseal key',
        client.send({
          method: 'PUT',
          path: 'sys/rekey/update',
          body: { key, nonce: flags.text('nonce') ?? String(status.nonce) },
        }),
      ),
    );
  },
};

function printRekey({ print }: CommandContext, answer: ApiResponse | undefined): number {
  if (!answer) return 0;
  const value = answer.data ?? answer;
  if (print.value(value)) return 0;
  const keys = (value.keys_base64 ?? []) as readonly string[];
  if (keys.length > 0) {
    keys.forEach((key, index) => print.line(`Key ${String(index + 1)}: ${key}`));
    print.line(`\nOperation nonce: ${String(value.nonce)}`);
    return 0;
  }
  const text = (name: string): string => String(value[name] ?? '');
  print.line(
    titledTable(
      ['Key', 'Value'],
      [
        ['Nonce', text('nonce')],
        ['Started', text('started')],
        ['Rekey Progress', `${text('progress')}/${text('required')}`],
        ['New Shares', text('n')],
        ['New Threshold', text('t')],
        ['Verification Required', text('verification_required')],
      ],
    ),
  );
  return 0;
}

const diagnose: Command = {
  name: 'operator diagnose',
  synopsis: 'Troubleshoot problems starting a server',
  usage: '[options]',
  help: 'Checks a configuration without starting a server.\n\n    $ vault operator diagnose -config=/etc/vault/config.hcl',
  flags: [
    {
      name: 'config',
      kind: 'texts',
      value: 'string',
      help: 'File or folder of configuration; may be given several times.',
    },
  ],
  arguments: { min: 0, max: 0 },
  async run({ flags }) {
    const { runDiagnose } = await import('@coffer/server');
    return runDiagnose(flags.texts('config'));
  },
};

export const operatorCommands: readonly Command[] = [
  init,
  unseal,
  seal,
  stepDown,
  keyStatus,
  rotate,
  members,
  generateRoot,
  rekey,
  diagnose,
];
