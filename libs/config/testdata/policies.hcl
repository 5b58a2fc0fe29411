# policies/dev-policy.hcl
# Developer policy for application secrets

# Allow read/write access to development secrets
path "secret/data/dev/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# Allow read access to development configurations
path "secret/data/config/dev/*" {
  capabilities = ["read", "list"]
}

# Allow access to database credentials for dev environment
path "database/creds/dev-readonly" {
  capabilities = ["read"]
}

# Allow users to change their own password
path "auth/userpass/users/{{identity.entity.name}}/password" {
  capabilities = ["update"]
}

# Allow token self-renewal
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# Allow looking up own token
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# Deny access to production secrets
path "secret/data/prod/*" {
  capabilities = ["deny"]
}

# policies/admin-policy.hcl
# Administrator policy with broad access

# Full access to all secret paths
path "secret/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# Manage auth methods
path "auth/*" {
  capabilities = ["create", "read", "update", "delete", "list", "sudo"]
}

# Manage policies
path "sys/policies/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# Manage secret engines
path "sys/mounts/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# View system status
path "sys/health" {
  capabilities = ["read", "sudo"]
}

# Manage leases
path "sys/leases/*" {
  capabilities = ["create", "read", "update", "delete", "list", "sudo"]
}

# Advanced policy with templating
# policies/app-policy.hcl
path "secret/data/apps/{{identity.entity.metadata.app_name}}/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# Time-based access
path "secret/data/temp/*" {
  capabilities = ["create", "read", "update", "delete"]
  allowed_parameters = {
    "ttl" = ["1h", "2h", "4h"]
  }
}

# IP-based restrictions
path "secret/data/sensitive/*" {
  capabilities = ["read"]
  allowed_client_cidrs = ["10.0.0.0/8", "192.168.1.0/24"]
}
