# vault-agent.hcl
pid_file = "./pidfile"

vault {
  address = "http://vault.company.com:8200"
}

auto_auth {
  method "kubernetes" {
    mount_path = "auth/kubernetes"
    config = {
      role = "myapp"
    }
  }

  sink "file" {
    config = {
      path = "/tmp/vault-token"
    }
  }
}

cache {
  use_auto_auth_token = true
}

listener "tcp" {
  address = "127.0.0.1:8100"
  tls_disable = true
}

template {
  source      = "/etc/vault/templates/database.tpl"
  destination = "/etc/myapp/database.conf"
  perms       = 0640
  command     = "systemctl reload myapp"
}

template {
  source      = "/etc/vault/templates/api-keys.tpl"
  destination = "/etc/myapp/api-keys.json"
  perms       = 0600
}
