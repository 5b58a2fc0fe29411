/** How to log in by a method, for `auth help`. @returns undefined for a method without words of its own */
export function loginHelp(type: string, program: string): string | undefined {
  const help = HELP.get(type);
  return help?.replaceAll('{program}', program);
}

const password = (type: string, what: string): string => `Usage: {program} login -method=${type} [CONFIG K=V...]

  The ${type} auth method allows users to authenticate using ${what}.

  If the password is not given, it is asked for at the terminal, where it
  stays hidden:

      $ {program} login -method=${type} username=my-username

  If the method is mounted elsewhere, say where:

      $ {program} login -method=${type} -path=my-path username=my-username

Configuration:

  password=<string>
      The password. It is asked for if it is left out.

  username=<string>
      The name of the user.`;

const HELP: ReadonlyMap<string, string> = new Map([
  [
    'token',
    `Usage: {program} login TOKEN [CONFIG K=V...]

  The token auth method allows logging in directly with a token. This
  can be the root token, or one that was made by "token create". Without
  an argument, the token is asked for at the terminal:

      $ {program} login

  It can also be given on standard input:

      $ echo "$TOKEN" | {program} login -

Configuration:

  token=<string>
      The token to log in with.`,
  ],
  ['userpass', password('userpass', "Vault's\n  internal user database")],
  ['ldap', password('ldap', 'an LDAP directory')],
  ['okta', password('okta', 'Okta')],
  ['radius', password('radius', 'a RADIUS server')],
  [
    'approle',
    `Usage: {program} login -method=approle [CONFIG K=V...]

  The approle auth method allows machines to authenticate with a role ID
  and a secret ID:

      $ {program} login -method=approle role_id=... secret_id=@secret-id.txt

Configuration:

  role_id=<string>
      The ID of the role.

  secret_id=<string>
      A secret ID of the role, where the role asks for one.`,
  ],
]);
