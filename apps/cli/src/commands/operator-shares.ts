import { randomInt } from 'node:crypto';
import type { ApiRequest, ApiResponse } from '@coffer/api-client';
import { ApiError } from '@coffer/api-client';
import { askHidden } from '../ask-hidden.ts';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import type { FlagSpec } from '../flags.ts';
import { goValue } from '../output/go-value.ts';
import { table, titledTable } from '../output/table.ts';
import { pgpKeys } from '../pgp-keys.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The older endpoints answer without an envelope, the newer ones in one. */
const fieldsOf = (answer: ApiResponse | undefined): Fields => answer?.data ?? answer ?? {};

const number = (value: unknown): number => Number(value ?? 0);

/** What every change has that the holders of shares make together. */
const attemptFlags: readonly FlagSpec[] = [
  { name: 'init', kind: 'bool', help: 'Start an attempt.' },
  { name: 'cancel', kind: 'bool', help: 'Cancel the attempt.' },
  { name: 'status', kind: 'bool', help: 'Print how far the attempt is.' },
];
const nonceFlag: FlagSpec = { name: 'nonce', kind: 'text', help: 'Names the attempt.' };

/** A share from the argument, `-` (standard input) or the terminal, and the nonce that it is meant for. */
async function shareFor(
  context: CommandContext,
  nonce: string,
  noun: string,
): Promise<{ readonly key: string; readonly nonce: string }> {
  const { args, flags, print } = context;
  const argument = (args[0] ?? '').trim();
  if (argument === '') {
    if (!flags.bool('non-interactive')) print.error(`${noun} nonce: ${nonce}`);
    return { key: (await askHidden(context, 'Unseal Key (will be hidden): ')).trim(), nonce };
  }
  // Who gives a share without seeing the nonce must have been told it, lest the share goes to somebody else's attempt.
  const given = flags.text('nonce') ?? '';
  if (given === '') throw new UsageError('Missing nonce value: specify it via the -nonce flag');
  return { key: (argument === '-' ? context.readInput() : argument).trim(), nonce: given };
}

/** Vault serves `sys/generate-root` to anyone; servers that turned it off have the same for tokens with sudo. */
async function sendRoot(
  client: CommandContext['client'],
  step: string,
  request: Omit<ApiRequest, 'path'>,
): Promise<Fields> {
  try {
    return fieldsOf(await client.send({ ...request, path: `sys/generate-root/${step}` }));
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 405 && error.status !== 404)) throw error;
    return fieldsOf(await client.send({ ...request, path: `sys/generate-root-token/${step}` }));
  }
}

const generateRoot: Command = {
  name: 'operator generate-root',
  synopsis: 'Generates a new root token',
  usage: '[options] [KEY]',
  help: 'Makes a new root token by the key shares of several people.\n\n    $ vault operator generate-root -init\n\n    $ vault operator generate-root -nonce=<nonce> <share>\n\n    $ vault operator generate-root -decode=<encoded token> -otp=<otp>',
  http: true,
  output: 'format',
  flags: [
    ...attemptFlags,
    { name: 'decode', kind: 'text', help: 'Decode an encoded token, or "-" for standard input; with -otp.' },
    { name: 'generate-otp', kind: 'bool', help: 'Print a one-time password.' },
    { name: 'otp', kind: 'text', help: 'One-time password.' },
    { name: 'pgp-key', kind: 'text', help: 'File of a PGP public key for the token.' },
    nonceFlag,
  ],
  arguments: { min: 0, max: 1, text: '0-1' },
  async run(context) {
    const { client, flags, print } = context;
    if (flags.bool('generate-otp')) return generateOtp(context);
    if (flags.has('decode')) return decode(context, flags.text('decode') ?? '');
    if (flags.bool('cancel')) {
      await doing('Error canceling root token generation', sendRoot(client, 'attempt', { method: 'DELETE' }));
      print.line('Success! Root token generation canceled (if it was started)');
      return 0;
    }
    if (flags.bool('init')) return printAttempt(context, await startAttempt(context));
    const status = await doing('Error getting root generation status', sendRoot(client, 'attempt', { method: 'GET' }));
    if (flags.bool('status')) return printAttempt(context, status);
    if (status.started !== true)
      throw new UsageError(
        `No root generation is in progress. Start a root generation by running "${context.program} operator generate-root -init".\nIf starting root generation using the OTP method and generating your own OTP, the length of the OTP string needs to be ${goValue(status.otp_length)} characters in length.`,
      );
    const body = await shareFor(context, String(status.nonce), 'Operation');
    return printAttempt(
      context,
      await doing('Error posting unseal key', sendRoot(client, 'update', { method: 'PUT', body })),
    );
  },
};

function startAttempt({ client, flags }: CommandContext): Promise<Fields> {
  const [otp, pgp] = [flags.text('otp'), flags.text('pgp-key')];
  if (otp && pgp) throw new UsageError('Error initializing: cannot specify both -otp and -pgp-key');
  const body = { otp: otp ?? '', pgp_key: pgp ? (pgpKeys([pgp])[0] ?? '') : '' };
  return doing('Error initializing root generation', sendRoot(client, 'attempt', { method: 'PUT', body }));
}

async function generateOtp({ client, print }: CommandContext): Promise<number> {
  const status = await doing('Error getting root generation status', sendRoot(client, 'attempt', { method: 'GET' }));
  const otp = oneTimePassword(number(status.otp_length) || 28);
  if (!print.value({ otp, otp_length: otp.length })) print.text(otp);
  return 0;
}

function decode({ flags, print, readInput }: CommandContext, given: string): number {
  const otp = flags.text('otp') ?? '';
  const encoded = (given === '-' ? readInput() : given).trim();
  if (encoded === '') throw new UsageError('Missing encoded value: use -decode=<string> to supply it');
  if (otp === '') throw new UsageError('Missing otp: use -otp to supply it');
  const token = decodeRootToken(encoded, otp);
  if (!print.value({ token })) print.text(token);
  return 0;
}

/** The token XOR its one-time password, in base64 with or without padding. @throws CommandError */
export function decodeRootToken(encoded: string, otp: string): string {
  const bytes = Buffer.from(encoded, 'base64');
  const pad = Buffer.from(otp, 'utf8');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || bytes.length !== pad.length)
    throw new CommandError(
      `Error decoding root token: the encoded token has ${String(bytes.length)} bytes, the OTP has ${String(pad.length)}`,
      1,
    );
  return Buffer.from(bytes.map((byte, index) => byte ^ (pad[index] ?? 0))).toString('utf8');
}

function printAttempt({ print }: CommandContext, value: Fields): number {
  const nothing = { encoded_token: '', encoded_root_token: '', pgp_fingerprint: '', otp: '' };
  if (print.value({ ...nothing, ...value })) return 0;
  const text = (name: string): string => goValue(value[name] ?? '');
  const rows: (readonly string[])[] = [
    ['Nonce', text('nonce')],
    ['Started', text('started')],
    ['Progress', `${text('progress')}/${text('required')}`],
    ['Complete', text('complete')],
  ];
  if (value.pgp_fingerprint) rows.push(['PGP Fingerprint', text('pgp_fingerprint')]);
  if (value.encoded_token) rows.push(['Encoded Token', text('encoded_token')]);
  else if (value.encoded_root_token) rows.push(['Encoded Root Token', text('encoded_root_token')]);
  if (value.otp) {
    print.error(
      'A One-Time-Password has been generated for you and is shown in the OTP field.\nYou will need this value to decode the resulting root token, so keep it safe.',
    );
    rows.push(['OTP', text('otp')]);
  }
  if (value.otp_length) rows.push(['OTP Length', text('otp_length')]);
  print.line(table(rows));
  return 0;
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const oneTimePassword = (length: number): string =>
  Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)] ?? '').join('');

const shareFlags: readonly FlagSpec[] = [
  ...attemptFlags,
  { name: 'key-shares', kind: 'int', help: 'Number of shares to split the key into; 5 if left out.', aliases: ['n'] },
  { name: 'key-threshold', kind: 'int', help: 'Number of shares that are needed; 3 if left out.', aliases: ['t'] },
  nonceFlag,
  { name: 'target', kind: 'text', help: 'What to change: "barrier" (the default) or "recovery".' },
  { name: 'verify', kind: 'bool', help: 'With -init, the new shares must be given back once; else, speak of that.' },
  { name: 'pgp-keys', kind: 'texts', help: 'Files of PGP public keys, separated by commas, one a share.' },
  { name: 'backup', kind: 'bool', help: 'Keep a copy of the PGP-encrypted shares in storage.' },
  { name: 'backup-retrieve', kind: 'bool', help: 'Print that copy.' },
  { name: 'backup-delete', kind: 'bool', help: 'Delete that copy.' },
];

/** Where the endpoints of a change of shares are. */
interface ShareApi {
  readonly barrier: string;
  readonly recovery: string;
  readonly barrierBackup: string;
  readonly recoveryBackup: string;
}

const REKEY: ShareApi = {
  barrier: 'sys/rekey',
  recovery: 'sys/rekey-recovery-key',
  barrierBackup: 'sys/rekey/backup',
  recoveryBackup: 'sys/rekey/recovery-key-backup',
};
const ROTATE: ShareApi = {
  barrier: 'sys/rotate/root',
  recovery: 'sys/rotate/recovery',
  barrierBackup: 'sys/rotate/root/backup',
  recoveryBackup: 'sys/rotate/recovery/backup',
};

function changeOfShares(name: string, synopsis: string, help: string, api: ShareApi): Command {
  return {
    name,
    synopsis,
    usage: '[options] [KEY]',
    help,
    http: true,
    output: 'format',
    flags: shareFlags,
    arguments: { min: 0, max: 1, text: '0-1' },
    run: (context) => changeShares(context, api, name),
  };
}

async function changeShares(context: CommandContext, api: ShareApi, name: string): Promise<number> {
  const { client, flags, print } = context;
  const target = (flags.text('target') ?? 'barrier').trim().toLowerCase();
  if (!['barrier', 'recovery', 'hsm'].includes(target)) throw new UsageError(`Unknown target: ${target}`);
  const [base, backup] = target === 'barrier' ? [api.barrier, api.barrierBackup] : [api.recovery, api.recoveryBackup];
  const verify = flags.bool('verify');
  if (flags.bool('backup-delete')) {
    await doing('Error deleting rekey backed up keys', client.send({ method: 'DELETE', path: backup }));
    print.line('Success! Deleted backed up keys (if they existed)');
    return 0;
  }
  if (flags.bool('backup-retrieve')) {
    const answer = await doing('Error retrieving rekey backed up keys', client.send({ method: 'GET', path: backup }));
    return print.secret({ data: fieldsOf(answer) });
  }
  if (flags.bool('init')) return printShares(context, await startChange(context, base), false);
  const path = `${base}/${verify ? 'verify' : 'init'}`;
  if (flags.bool('cancel')) {
    await doing('Error canceling rekey', client.send({ method: 'DELETE', path }));
    print.line('Success! Canceled rekeying (if it was started)');
    return 0;
  }
  const status = fieldsOf(await doing('Error reading rekey status', client.send({ method: 'GET', path })));
  if (flags.bool('status')) return printShares(context, status, verify);
  if (status.started !== true)
    throw new UsageError(
      `No rekey is in progress. Start a rekey process by running "${context.program} ${name} -init".`,
    );
  return giveShare(context, base, status, verify);
}

async function startChange({ client, flags, print }: CommandContext, base: string): Promise<Fields> {
  const keys = pgpKeys(flags.texts('pgp-keys'));
  const body = {
    secret_shares: flags.int('key-shares') ?? 5,
    secret_threshold: flags.int('key-threshold') ?? 3,
    pgp_keys: keys.length > 0 ? keys : null,
    backup: flags.bool('backup'),
    require_verification: flags.bool('verify'),
  };
  const status = fieldsOf(
    await doing('Error initializing rekey', client.send({ method: 'PUT', path: `${base}/init`, body })),
  );
  if (print.format === 'table' && keys.length === 0)
    print.error(
      'WARNING! If you lose the keys after they are returned, there is no recovery.\nConsider canceling this operation and starting again with the -pgp-keys flag,\nalong with -backup to keep a copy of the encrypted keys.\n',
    );
  return status;
}

async function giveShare(context: CommandContext, base: string, status: Fields, verify: boolean): Promise<number> {
  const { client, print } = context;
  const body = await shareFor(context, String(status.nonce), 'Rekey operation');
  const path = `${base}/${verify ? 'verify' : 'update'}`;
  const answer = fieldsOf(await doing('Error posting unseal key', client.send({ method: 'PUT', path, body })));
  if (answer.complete !== true) {
    const read = { method: 'GET', path: `${base}/${verify ? 'verify' : 'init'}` } as const;
    return printShares(context, fieldsOf(await doing('Error reading rekey status', client.send(read))), verify);
  }
  if (verify) {
    print.line('Rekey verification successful. The rekey operation is complete and the new\nkeys are now active.');
    return 0;
  }
  if (print.value(answer)) return 0;
  return printNewShares(context, base, status, answer);
}

async function printNewShares(context: CommandContext, base: string, status: Fields, answer: Fields): Promise<number> {
  const { client, print } = context;
  const keys = (answer.keys_base64 ?? answer.keys ?? []) as readonly string[];
  const fingerprints = (answer.pgp_fingerprints ?? []) as readonly string[];
  print.line('');
  keys.forEach((key, index) => {
    const fingerprint = fingerprints[index];
    print.line(
      `Key ${String(index + 1)}${fingerprint === undefined ? '' : ` fingerprint: ${fingerprint}; value`}: ${key}`,
    );
  });
  print.line(`\nOperation nonce: ${goValue(answer.nonce)}`);
  const [shares, threshold] = [goValue(status.n), goValue(status.t)];
  if (answer.verification_required !== true) {
    print.line(
      `\nVault unseal keys rekeyed to ${shares} key shares and a key threshold of ${threshold}.\nPlease securely distribute the key shares printed above. When Vault is\nre-sealed, restarted, or stopped, you must supply at least ${threshold} of these keys\nto unseal it before it can start servicing requests.`,
    );
    return 0;
  }
  print.line(
    `\nVault has created a new unseal key, split into ${shares} key shares and a key\nthreshold of ${threshold}. These will not be active until after verification is complete.\nKeep the present key shares until then: if the operation is cancelled, or Vault\nis sealed, the new shares are discarded.\n`,
  );
  const read = { method: 'GET', path: `${base}/verify` } as const;
  return printShares(context, fieldsOf(await doing('Error reading rekey status', client.send(read))), true);
}

function printShares({ print }: CommandContext, status: Fields, verify: boolean): number {
  if (print.value(status)) return 0;
  print.line(titledTable(['Key', 'Value'], verify ? verificationRows(status) : statusRows(status)));
  return 0;
}

function verificationRows(status: Fields): readonly (readonly string[])[] {
  const text = (name: string): string => goValue(status[name] ?? '');
  return [
    ['Started', text('started')],
    ['New Shares', text('n')],
    ['New Threshold', text('t')],
    ['Verification Nonce', text('nonce')],
    ['Verification Progress', `${text('progress')}/${text('t')}`],
  ];
}

function statusRows(status: Fields): readonly (readonly string[])[] {
  const text = (name: string): string => goValue(status[name] ?? '');
  const rows: (readonly string[])[] = [
    ['Nonce', text('nonce')],
    ['Started', text('started')],
  ];
  if (status.started === true) {
    const all = number(status.progress) === number(status.required);
    rows.push(
      ['Rekey Progress', `${text('progress')}/${text('required')}${all ? ' (verification in progress)' : ''}`],
      ['New Shares', text('n')],
      ['New Threshold', text('t')],
      ['Verification Required', text('verification_required')],
    );
    if (status.verification_nonce) rows.push(['Verification Nonce', text('verification_nonce')]);
  }
  if (Array.isArray(status.pgp_fingerprints) && status.pgp_fingerprints.length > 0)
    rows.push(['PGP Fingerprints', text('pgp_fingerprints')], ['Backup', text('backup')]);
  return rows;
}

const rekey = changeOfShares(
  'operator rekey',
  'Generates new unseal keys',
  'Makes new key shares by the present shares of several people; no token is needed. A server may have this turned off: then "operator rotate-keys" does the same for a token with sudo.\n\n    $ vault operator rekey -init -key-shares=5 -key-threshold=3',
  REKEY,
);

const rotateKeys = changeOfShares(
  'operator rotate-keys',
  'Generates new unseal keys, with a token',
  'Makes new key shares by the present shares of several people; the token needs sudo on sys/rotate/root.\n\n    $ vault operator rotate-keys -init -key-shares=5 -key-threshold=3',
  ROTATE,
);

export const operatorSharesCommands: readonly Command[] = [generateRoot, rekey, rotateKeys];
