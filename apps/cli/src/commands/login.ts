import type { ApiResponse } from '@coffer/api-client';
import { ApiError } from '@coffer/api-client';
import { askHidden } from '../ask-hidden.ts';
import type { Command, CommandContext } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { fromEnvironment } from '../http-flags.ts';
import { parseKeyValues } from '../key-values.ts';

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
    login: ({ client }, path, config) => client.send({ method: 'PUT', path: `auth/${path}/login`, body: config }),
  },
};

async function loginByToken(context: CommandContext, _path: string, config: Config): Promise<ApiResponse | undefined> {
  const { client, flags } = context;
  const token = (textOf(config.token) ?? (await askHidden(context, 'Token (will be hidden): '))).trim();
  if (token === '')
    throw new CommandError(
      'Error authenticating: a token must be passed to auth, please view the help for more information',
    );
  if (flags.bool('no-verify')) return { auth: { client_token: token } as NonNullable<ApiResponse['auth']> };
  let answer: ApiResponse | undefined;
  try {
    answer = await client.send({ method: 'GET', path: 'auth/token/lookup-self', token });
  } catch (error) {
    throw new CommandError(
      `Error authenticating: error looking up token: ${error instanceof Error ? error.message : 'unknown error'}`,
    );
  }
  const data = answer?.data ?? {};
  const policies = (data.policies ?? []) as readonly string[];
  const identity = (data.identity_policies ?? null) as readonly string[] | null;
  return {
    data: null,
    auth: {
      client_token: token,
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
  const password = textOf(rest.password) ?? (await askHidden(context, 'Password (will be hidden): '));
  return context.client.send({ method: 'PUT', path: `auth/${path}/login/${name}`, body: { ...rest, password } });
}

const login: Command = {
  name: 'login',
  synopsis: 'Authenticate locally',
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
  if (flags.bool('no-store') && flags.bool('no-print'))
    throw new UsageError('-no-store and -no-print cannot be used together');
  const name = flags.text('method') ?? 'token';
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (!method)
    throw new UsageError(
      `Unknown auth method: ${name}. Use "auth list" to see the complete list of auth methods. Additionally, some auth methods are only available via the HTTP API.`,
    );
  const path = (flags.text('path') ?? method.defaultPath).replace(/^\/+|\/+$/g, '');
  const answer = await authenticate(context, method, path, configOf(context, name, args));
  const auth = answer?.auth;
  if (!auth) {
    if (answer?.wrap_info) return print.secret(answer);
    throw new CommandError('Error authenticating: the answer has no token');
  }
  if (!noStore) context.helper.store(auth.client_token);
  if (tokenOnly) {
    print.text(auth.client_token);
    return 0;
  }
  if (flags.bool('no-print')) return 0;
  if (print.field !== undefined) {
    if (noStore) noteNotStored(context);
    return print.fieldOf(answer, print.field);
  }
  if (print.format === 'table') {
    print.line(
      wrapText(
        `Success! You are now authenticated. ${noStore ? 'The token was not stored in token helper. Set the VAULT_TOKEN environment variable or pass the token below with each request.' : 'The token information displayed below is already stored in the token helper. You do NOT need to run "login" again. Future requests will automatically use this token.'}`,
      ),
    );
    print.line('');
  }
  if (noStore) noteNotStored(context);
  else if (fromEnvironment(context.env, 'TOKEN') !== undefined) noteEnvironment(context);
  return print.secret(answer);
}

async function authenticate(
  context: CommandContext,
  method: LoginMethod,
  path: string,
  config: Config,
): Promise<ApiResponse | undefined> {
  try {
    return await method.login(context, path, config);
  } catch (error) {
    if (error instanceof ApiError) throw new CommandError(`Error authenticating: ${error.message}`);
    throw error;
  }
}

/** `login TOKEN`, `login -` and `login token=…` beside `key=value`. */
function configOf({ readInput }: CommandContext, method: string, args: readonly string[]): Config {
  const [only] = args;
  if (
    method === 'token' &&
    args.length === 1 &&
    only !== undefined &&
    !only.startsWith('@') &&
    !only.startsWith('token=')
  )
    return { token: only === '-' ? readInput() : only };
  return parseKeyValues(args, readInput);
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
