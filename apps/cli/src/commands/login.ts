import type { ApiResponse } from '@coffer/api-client';
import { askHidden } from '../ask-hidden.ts';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError, truthOf } from '../flags.ts';
import { fromEnvironment } from '../http-flags.ts';
import { parseKeyValues, textsOf } from '../key-values.ts';
import { StoreError } from '../token-helper.ts';
import { cleanPath } from './generic.ts';

type Config = Readonly<Record<string, unknown>>;

/** How to log in by one auth method. Later methods are added here. */
interface LoginMethod {
  readonly defaultPath: string;
  login(context: CommandContext, path: string, config: Config): Promise<ApiResponse | undefined>;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const METHODS: Readonly<Record<string, LoginMethod>> = {
  token: { defaultPath: 'token', login: loginByToken },
  userpass: { defaultPath: 'userpass', login: loginByPassword },
  ldap: { defaultPath: 'ldap', login: loginByPassword },
  okta: { defaultPath: 'okta', login: loginByPassword },
  radius: { defaultPath: 'radius', login: loginByPassword },
  approle: {
    defaultPath: 'approle',
    login: ({ client }, path, config) =>
      client.send({ method: 'PUT', path: `auth/${path}/login`, body: config, token: '' }),
  },
};

/** Of a token that was not looked up, only the token is known. */
const unknownAuth = (token: string): NonNullable<ApiResponse['auth']> => ({
  client_token: token,
  accessor: '',
  policies: null,
  token_policies: null,
  identity_policies: null,
  metadata: null,
  orphan: false,
  entity_id: '',
  lease_duration: 0,
  renewable: false,
  mfa_requirement: null,
});

async function loginByToken(context: CommandContext, _path: string, config: Config): Promise<ApiResponse | undefined> {
  const { client, flags } = context;
  const lookup = config.lookup === undefined ? true : truthOf(String(config.lookup));
  if (lookup === undefined)
    throw new CommandError(
      `Error authenticating: Failed to parse "lookup" as boolean: strconv.ParseBool: parsing "${String(config.lookup)}": invalid syntax`,
    );
  const given = typeof config.token === 'string' ? config.token : undefined;
  if (given === undefined && flags.bool('non-interactive'))
    throw new CommandError("Error authenticating: 'token' not supplied and refusing to pull from stdin");
  const token = (given ?? (await askHidden(context, 'Token (will be hidden): '))).trim();
  if (token === '')
    throw new CommandError(
      'Error authenticating: a token must be passed to auth, please view the help for more information',
    );
  if (!lookup || flags.bool('no-verify')) return { data: null, auth: unknownAuth(token) };
  const answer = await doing(
    'Error authenticating: error looking up token',
    client.send({ method: 'GET', path: 'auth/token/lookup-self', token, wrapTtl: '' }),
  );
  const data = answer?.data ?? {};
  const policies = (data.policies ?? []) as readonly string[];
  const identity = (data.identity_policies ?? null) as readonly string[] | null;
  return {
    data: null,
    auth: {
      client_token: typeof data.id === 'string' ? data.id : token,
      accessor: String(data.accessor ?? ''),
      policies: [...policies, ...(identity ?? [])],
      token_policies: policies,
      identity_policies: identity,
      metadata: (data.meta ?? null) as Readonly<Record<string, string>> | null,
      orphan: false,
      entity_id: '',
      lease_duration: Number(data.ttl ?? 0),
      renewable: Boolean(data.renewable),
      mfa_requirement: null,
    },
  };
}

async function loginByPassword(
  context: CommandContext,
  path: string,
  config: Config,
): Promise<ApiResponse | undefined> {
  const { username, ...rest } = config;
  const name = textOf(username) ?? (path === 'ldap' ? (process.env.LOGNAME ?? process.env.USER) : undefined);
  if (name === undefined) throw new CommandError("Error authenticating: 'username' must be specified");
  if (textOf(rest.password) === undefined && context.flags.bool('non-interactive'))
    throw new CommandError("Error authenticating: 'password' must be specified and refusing to pull from stdin");
  const password = textOf(rest.password) ?? (await askHidden(context, 'Password (will be hidden): '));
  return context.client.send({
    method: 'PUT',
    path: `auth/${path}/login/${name}`,
    body: { ...rest, password },
    token: '',
  });
}

const login: Command = {
  name: 'login',
  synopsis: 'Authenticate locally',
  withoutStoredToken: true,
  usage: '[options] [AUTH K=V...]',
  help: 'Authenticates users or machines, and keeps the token for later commands.\n\n    $ vault login s.3jnbMAKl1i4YS3QoKdbHzGXq\n\n    $ vault login -method=userpass username=my-username',
  http: true,
  output: 'field',
  flags: [
    { name: 'method', kind: 'text', value: 'string', help: 'How to log in: "token" (the default), "userpass" …' },
    { name: 'path', kind: 'text', value: 'string', help: 'Where the auth method is mounted; its type if left out.' },
    { name: 'no-store', kind: 'bool', help: 'Do not keep the token.' },
    { name: 'no-print', kind: 'bool', help: 'Do not print the token.' },
    { name: 'token-only', kind: 'bool', help: 'Print the token alone; short for -field=token -no-store.' },
    { name: 'no-verify', kind: 'bool', help: 'Keep the token without asking the server about it.', hidden: true },
  ],
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  run: (context) => runLogin(context),
};

async function runLogin(context: CommandContext): Promise<number> {
  const { flags, args, print } = context;
  const tokenOnly = flags.bool('token-only');
  const noStore = flags.bool('no-store') || tokenOnly;
  if (noStore && flags.bool('no-print')) throw new UsageError('-no-store and -no-print cannot be used together');
  const name = cleanPath(flags.text('method') ?? '') || 'token';
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (!method)
    throw new UsageError(
      wrapText(
        `Unknown auth method: ${name}. Use "${context.program} auth list" to see the complete list of auth methods. Additionally, some auth methods are only available via the HTTP API.`,
      ),
    );
  const { mount, ...config } = configOf(context, name, args);
  const path = cleanPath(textOf(mount) ?? (flags.text('path') || method.defaultPath));
  const answer = await unwrapped(context, await authenticate(context, method, path, config), noStore);
  if (!answer.auth) return tokenOnly ? print.fieldOf(answer, 'wrapping_token') : print.secret(answer);
  if (!noStore) {
    const failure = await store(context, answer);
    if (failure !== undefined) return failure;
    if (fromEnvironment(context.env, 'TOKEN') !== undefined) noteEnvironment(context);
  } else if (!tokenOnly) noteNotStored(context);
  if (flags.bool('no-print')) return 0;
  if (tokenOnly) return print.fieldOf(answer, 'token');
  if (print.field !== undefined) return print.fieldOf(answer, print.field);
  if (print.format === 'table') {
    print.line(
      wrapText(
        `Success! You are now authenticated. ${noStore ? 'The token was not stored in token helper. Set the VAULT_TOKEN environment variable or pass the token below with each request.' : 'The token information displayed below is already stored in the token helper. You do NOT need to run "login" again. Future requests will automatically use this token.'}`,
      ),
    );
    print.line('');
  }
  return print.secret(answer);
}

async function authenticate(
  context: CommandContext,
  method: LoginMethod,
  path: string,
  config: Config,
): Promise<ApiResponse> {
  const answer = await doing('Error authenticating', method.login(context, path, config));
  if (!answer) throw new CommandError('Error authenticating: empty response from credential provider');
  return answer;
}

/** The answer with the token: a wrapped one is unwrapped, unless it is to be passed on. @throws CommandError */
async function unwrapped(context: CommandContext, first: ApiResponse, keep: boolean): Promise<ApiResponse> {
  let answer = first;
  while (!answer.auth) {
    const { wrap_info: wrap } = answer;
    if (!wrap) throw new CommandError('Error extracting token: no auth or wrapping info in response');
    if (!wrap.wrapped_accessor)
      throw new CommandError('Error extracting token: wrapped response does not contain a token');
    if (keep) return answer;
    const next = await doing(
      'Error extracting token',
      context.client.send({
        method: 'PUT',
        path: 'sys/wrapping/unwrap',
        body: null,
        token: wrap.token,
        wrapTtl: '',
      }),
    );
    if (!next) throw new CommandError('Vault returned an empty secret');
    answer = next;
  }
  return answer;
}

/** @returns the exit code where the token could not be kept: it is shown then, lest it is lost */
async function store(context: CommandContext, answer: ApiResponse): Promise<number | undefined> {
  const { print } = context;
  try {
    const helper = await context.helper();
    helper.store(answer.auth?.client_token ?? '');
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    print.error(`Error storing token: ${error.message}`);
    print.error(
      'Authentication was successful, but the token was not persisted. The resulting\ntoken is shown below for your records.\n',
    );
    print.secret(answer);
    return 2;
  }
}

/** `login TOKEN`, `login -` and `login token=…` beside `key=value`. @throws UsageError */
function configOf({ readInput }: CommandContext, method: string, args: readonly string[]): Config {
  const [first, ...rest] = args;
  const words = method === 'token' && first !== undefined && !first.includes('=') ? [`token=${first}`, ...rest] : args;
  try {
    return textsOf(parseKeyValues(words, readInput));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(error.message.replace(/^Failed to parse K=V data/, 'Error parsing configuration'));
  }
}

function noteNotStored({ print }: CommandContext): void {
  print.error(
    wrapText(
      'The token was not stored in token helper. Set the VAULT_TOKEN environment variable or pass the token below with each request to Vault.',
    ),
  );
  print.error('');
}

function noteEnvironment({ print }: CommandContext): void {
  print.error(
    wrapText(
      'WARNING! The VAULT_TOKEN environment variable is set! The value of this variable will take precedence; if this is unwanted please unset VAULT_TOKEN or update its value accordingly.',
    ),
  );
  print.error('');
}

function wrapText(text: string): string {
  return text.replaceAll(/(.{1,78})(?: |$)/g, '$1\n').trimEnd();
}

export const loginCommands: readonly Command[] = [login];
