import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { askHidden } from '../ask-hidden.ts';
import { pgpKeys } from '../pgp-keys.ts';
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
    const plan = await initPlan(context);
    if (flags.bool('status')) {
      // 2 means something else here
      const answer = await doing('Error checking init status', client.send({ method: 'GET', path: 'sys/init' }), 1);
      const initialized = answer?.initialized === true;
      // Vault's clients print their own structure here, which has Go's names
      if (!print.value({ Initialized: initialized }))
        print.line(initialized ? 'Vault is initialized' : 'Vault is not initialized');
      return initialized ? 0 : 2;
    }
    const answer = await doing('Error initializing', client.send({ method: 'PUT', path: 'sys/init', body: plan.body }));
    if (!answer) throw new CommandError('Error initializing: no answer');
    return printInit(context, answer, plan);
  },
};

interface InitPlan {
  readonly body: Readonly<Record<string, unknown>>;
  /** A seal that unseals by itself: the shares are for recovery. */
  readonly recovery: boolean;
  readonly shares: number;
  readonly threshold: number;
}

const KEY_FLAGS = ['key-shares', 'key-threshold', 'pgp-keys'] as const;
const RECOVERY_FLAGS = ['recovery-shares', 'recovery-threshold', 'recovery-pgp-keys'] as const;
const DEFAULT_SHARES = 5;
const DEFAULT_THRESHOLD = 3;

/** Asks for the seal first, as Vault's client does: one that unseals by itself has recovery keys instead. */
async function initPlan({ flags, probe }: CommandContext): Promise<InitPlan> {
  const seal = await probe.send({ method: 'GET', path: 'sys/seal-status' });
  const recovery = seal?.recovery_seal === true;
  const [ours, others] = recovery ? [RECOVERY_FLAGS, KEY_FLAGS] : [KEY_FLAGS, RECOVERY_FLAGS];
  const [sharesFlag, thresholdFlag, pgpFlag] = ours;
  const wrong = others.find((name) => flags.has(name));
  if (wrong !== undefined)
    throw new UsageError(
      `-${wrong} does not fit a seal of type ${String(seal?.type ?? 'unknown')}: use -${ours[others.findIndex((name) => name === wrong)] ?? ''}`,
    );
  // 0 is what a flag has that was not given
  const shares = flags.int(sharesFlag) || DEFAULT_SHARES;
  const threshold = flags.int(thresholdFlag) || DEFAULT_THRESHOLD;
  const keys = pgpKeys(flags.texts(pgpFlag));
  const rootKey = flags.text('root-token-pgp-key');
  const [sharesField, thresholdField, pgpField] = recovery
    ? (['recovery_shares', 'recovery_threshold', 'recovery_pgp_keys'] as const)
    : (['secret_shares', 'secret_threshold', 'pgp_keys'] as const);
  const body = {
    [sharesField]: shares,
    [thresholdField]: threshold,
    [pgpField]: keys.length > 0 ? keys : null,
    ...(recovery ? {} : { recovery_shares: 0, recovery_threshold: 0, recovery_pgp_keys: null }),
    root_token_pgp_key: rootKey ? (pgpKeys([rootKey])[0] ?? '') : '',
    ...(flags.has('stored-shares') ? { stored_shares: flags.int('stored-shares') } : {}),
  };
  return { body, recovery, shares, threshold };
}

const listOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

function printInit({ print, program }: CommandContext, answer: ApiResponse, plan: InitPlan): number {
  const { shares, threshold, recovery } = plan;
  const [hex, base64] = [listOf(answer.keys), listOf(answer.keys_base64)];
  const [recoveryHex, recoveryBase64] = [listOf(answer.recovery_keys), listOf(answer.recovery_keys_base64)];
  const json = {
    unseal_keys_b64: base64,
    unseal_keys_hex: hex,
    unseal_shares: recovery ? 1 : shares,
    unseal_threshold: recovery ? 1 : threshold,
    recovery_keys_b64: recoveryBase64,
    recovery_keys_hex: recoveryHex,
    recovery_keys_shares: recovery ? shares : 0,
    recovery_keys_threshold: recovery ? threshold : 0,
    root_token: answer.root_token,
  };
  if (print.value(json)) return 0;
  base64.forEach((key, index) => print.line(`Unseal Key ${String(index + 1)}: ${key}`));
  recoveryBase64.forEach((key, index) => print.line(`Recovery Key ${String(index + 1)}: ${key}`));
  print.line(`\nInitial Root Token: ${String(answer.root_token)}\n`);
  if (recovery) {
    print.line(
      `Success! Vault is initialized\n\nRecovery key initialized with ${String(shares)} key shares and a key threshold of ${String(threshold)}.\nPlease securely distribute the key shares printed above.`,
    );
    return 0;
  }
  print.line(
    `Vault initialized with ${String(shares)} key shares and a key threshold of ${String(threshold)}. Please\nsecurely distribute the key shares printed above. When the Vault is re-sealed,\nrestarted, or stopped, you must supply at least ${String(threshold)} of these keys to unseal it\nbefore it can start servicing requests.\n\nVault does not store the generated root key. Without at least ${String(threshold)} keys to\nreconstruct the root key, Vault will remain permanently sealed!\n\nIt is possible to generate new unseal keys, provided you have a quorum of\nexisting unseal keys shares. See "${program} operator rekey" for more information.`,
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
  arguments: { min: 0, max: 1, text: '1' },
  async run(context) {
    const { client, flags, args, print } = context;
    if (flags.bool('reset')) {
      const answer = await doing(
        'Error resetting unseal process',
        client.send({ method: 'PUT', path: 'sys/unseal', body: { reset: true } }),
      );
      if (answer) printSeal(context, answer, await leaderOf(context));
      return 0;
    }
    // the question goes where Vault's clients put it, unless what is printed there is for a program
    const ask = (text: string): void => (print.format === 'table' ? print.text(text) : void process.stderr.write(text));
    const key = (args[0]?.trim() || (await askHidden(context, 'Unseal Key (will be hidden): ', 1, ask))).trim();
    const answer = await doing(
      'Error unsealing',
      client.send({ method: 'PUT', path: 'sys/unseal', body: { key, reset: false, migrate: flags.bool('migrate') } }),
    );
    if (answer) printSeal(context, answer, await leaderOf(context));
    return 0;
  },
};

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
    await doing('Error rotating key', client.send({ method: 'POST', path: 'sys/rotate' }));
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
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  async run({ client, print }) {
    const answer = await client.send({ method: 'GET', path: 'sys/ha-status' });
    const nodes = (answer?.nodes ?? answer?.data?.nodes ?? []) as readonly Readonly<Record<string, unknown>>[];
    if (print.value({ Nodes: nodes })) return 0;
    // few have zones: a column for those who do
    const zones = nodes.some((node) => node.redundancy_zone);
    const columns: readonly (readonly [string, string])[] = [
      ['Host Name', 'hostname'],
      ['API Address', 'api_address'],
      ['Cluster Address', 'cluster_address'],
      ['Active Node', 'active_node'],
      ['Version', 'version'],
      ['Upgrade Version', 'upgrade_version'],
      ...(zones ? ([['Redundancy Zone', 'redundancy_zone']] as const) : []),
      ['Last Echo', 'last_echo'],
    ];
    print.line(
      titledTable(
        columns.map(([title]) => title),
        nodes.map((node) => columns.map(([, field]) => String(node[field] ?? ''))),
      ),
    );
    return 0;
  },
};

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
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  async run({ flags }) {
    if (flags.texts('config').length === 0)
      throw new CommandError('Must specify a configuration file using -config.', 3);
    const { runDiagnose } = await import('@coffer/server/diagnose');
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
  diagnose,
];
