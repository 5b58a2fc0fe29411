import { settingText } from '../flags.ts';
import type { FlagSpec, FlagValues } from '../flags.ts';

/** `secrets …` and `auth …` say the same of two tables. */
export interface MountKind {
  readonly word: 'secrets' | 'auth';
  readonly api: string;
  readonly noun: string;
  readonly plural: string;
}

const sharedFlags: readonly FlagSpec[] = [
  {
    name: 'allowed-response-headers',
    kind: 'texts',
    value: 'string',
    help: 'A header that the engine may set; may be given several times.',
  },
  {
    name: 'audit-non-hmac-request-keys',
    kind: 'texts',
    value: 'string',
    help: 'A request field that the audit log shows in clear; may be given several times.',
  },
  {
    name: 'audit-non-hmac-response-keys',
    kind: 'texts',
    value: 'string',
    help: 'A response field that the audit log shows in clear; may be given several times.',
  },
  {
    name: 'default-lease-ttl',
    kind: 'duration',
    value: 'duration',
    help: 'TTL of leases; the default of the system if left out.',
  },
  { name: 'description', kind: 'text', value: 'string', help: 'What the mount is for.' },
  {
    name: 'listing-visibility',
    kind: 'text',
    value: 'string',
    help: 'Whether unauthenticated listings show it: "unauth" or "hidden".',
  },
  {
    name: 'max-lease-ttl',
    kind: 'duration',
    value: 'duration',
    help: 'Longest TTL of leases; the limit of the system if left out.',
  },
  { name: 'options', kind: 'map', value: 'key=value', help: 'An option of the engine; may be given several times.' },
  {
    name: 'passthrough-request-headers',
    kind: 'texts',
    value: 'string',
    help: 'A header that the engine gets to see; may be given several times.',
  },
  { name: 'plugin-version', kind: 'text', value: 'string', help: 'Version of the plugin.' },
  { name: 'version', kind: 'int', value: 'int', help: 'Version of the engine; for KV.' },
];

const tokenTypeFlag: FlagSpec = {
  name: 'token-type',
  kind: 'text',
  value: 'string',
  help: 'Type of the tokens of logins.',
};

const lockoutFlags: readonly FlagSpec[] = [
  {
    name: 'user-lockout-threshold',
    kind: 'uint',
    value: 'uint',
    help: 'Failed logins after which a user is locked out.',
  },
  { name: 'user-lockout-duration', kind: 'duration', value: 'duration', help: 'How long a user is locked out.' },
  {
    name: 'user-lockout-counter-reset-duration',
    kind: 'duration',
    value: 'duration',
    help: 'After how long failed logins are forgotten.',
  },
  { name: 'user-lockout-disable', kind: 'bool', help: 'Lock nobody out.' },
];

const newMountFlags: readonly FlagSpec[] = [
  { name: 'path', kind: 'text', value: 'string', help: 'Where to mount it; the name of the type if left out.' },
  { name: 'local', kind: 'bool', help: 'Not replicated to other clusters.' },
  { name: 'seal-wrap', kind: 'bool', help: 'Wrap stored values by the seal, too.' },
  { name: 'external-entropy-access', kind: 'bool', help: "Let the engine use the seal's entropy." },
  { name: 'plugin-name', kind: 'text', value: 'string', help: 'Name of the plugin.' },
];
const cacheFlag: FlagSpec = { name: 'force-no-cache', kind: 'bool', help: 'Do not cache what the engine stores.' };

/** Flags of `enable`. */
export const enableFlags = ({ word }: MountKind): readonly FlagSpec[] => [
  ...sharedFlags,
  ...newMountFlags,
  word === 'auth' ? tokenTypeFlag : cacheFlag,
];
/** Flags of `tune`. */
export const tuneFlags = ({ word }: MountKind): readonly FlagSpec[] =>
  word === 'auth' ? [...sharedFlags, tokenTypeFlag, ...lockoutFlags] : sharedFlags;

/** Settings that were given, under their names in the API. */
export function tuning(flags: FlagValues): Record<string, unknown> {
  const given: [string, unknown][] = [];
  const list = (name: string): void => {
    if (flags.has(name)) given.push([name.replaceAll('-', '_'), flags.texts(name)]);
  };
  const text = (name: string): void => {
    if (flags.text(name)) given.push([name.replaceAll('-', '_'), flags.text(name)]);
  };
  list('audit-non-hmac-request-keys');
  list('audit-non-hmac-response-keys');
  text('listing-visibility');
  list('passthrough-request-headers');
  list('allowed-response-headers');
  text('token-type');
  text('plugin-version');
  const lockout = lockoutSettings(flags);
  if (lockout) given.push(['user_lockout_config', lockout]);
  return Object.fromEntries(given);
}

function lockoutSettings(flags: FlagValues): Record<string, unknown> | undefined {
  if (!lockoutFlags.some(({ name }) => flags.has(name))) return undefined;
  const duration = (name: string): string => settingText(flags.duration(name));
  const settings: readonly (readonly [string, unknown])[] = [
    ['lockout_threshold', flags.text('user-lockout-threshold') ?? ''],
    ['lockout_duration', duration('user-lockout-duration')],
    ['lockout_counter_reset_duration', duration('user-lockout-counter-reset-duration')],
    ['lockout_disable', flags.boolOr('user-lockout-disable') ?? ''],
  ];
  return Object.fromEntries(settings.filter(([, value]) => value !== ''));
}

/** Options of the engine; its version has a flag of its own. */
export function optionsOf(flags: FlagValues): Readonly<Record<string, string>> | null {
  const version = flags.int('version') ?? 0;
  const options = { ...flags.map('options'), ...(version > 0 ? { version: String(version) } : {}) };
  return Object.keys(options).length > 0 ? options : null;
}
