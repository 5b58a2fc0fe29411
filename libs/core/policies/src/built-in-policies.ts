/** What every token may do unless it is made without it; operators may change it. */
export const DEFAULT_POLICY = `# What every token may do about itself.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Which rights it has.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
  capabilities = ["read"]
}

# Its own entity.
path "identity/entity/id/{{identity.entity.id}}" {
  capabilities = ["read"]
}
path "identity/entity/name/{{identity.entity.name}}" {
  capabilities = ["read"]
}

# Its own leases.
path "sys/renew" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "sys/leases/lookup" {
  capabilities = ["update"]
}

# A private place, and wrapped answers.
path "cubbyhole/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "sys/wrapping/wrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}

# Hashes, random bytes and the second factor of a login.
path "sys/tools/hash" {
  capabilities = ["update"]
}
path "sys/tools/hash/*" {
  capabilities = ["update"]
}
path "sys/control-group/request" {
  capabilities = ["update"]
}
path "sys/mfa/validate" {
  capabilities = ["update"]
}
path "identity/oidc/provider/+/authorize" {
  capabilities = ["read", "update"]
}
`;

/** What a wrapping token may do. Cannot be changed. */
export const RESPONSE_WRAPPING_POLICY = `path "cubbyhole/response" {
  capabilities = ["create", "read"]
}
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["read", "update"]
}
`;

/** Names that no one may write or delete. */
export const IMMUTABLE: ReadonlySet<string> = new Set(['root', 'response-wrapping', 'control-group']);
/** Names that no one may assign by hand and lists leave out. */
export const HIDDEN: ReadonlySet<string> = new Set(['response-wrapping', 'control-group']);
