# vault-production.hcl
cluster_name = "vault-prod"

# Storage configuration
storage "consul" {
  address = "consul.service.consul:8500"
  path    = "vault/"
  
  # Consul ACL token
  token = "vault-consul-token"
  
  # TLS configuration
  scheme = "https"
  tls_ca_file = "/vault/tls/consul-ca.pem"
  tls_cert_file = "/vault/tls/consul-client.pem"
  tls_key_file = "/vault/tls/consul-client-key.pem"
  tls_min_version = "tls12"
}

# HA configuration
ha_storage "consul" {
  address = "consul.service.consul:8500"
  path    = "vault/"
  token = "vault-consul-token"
  scheme = "https"
  tls_ca_file = "/vault/tls/consul-ca.pem"
  tls_cert_file = "/vault/tls/consul-client.pem"
  tls_key_file = "/vault/tls/consul-client-key.pem"
}

# Listener configuration
listener "tcp" {
  address       = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  
  # TLS configuration
  tls_cert_file = "/vault/tls/vault.pem"
  tls_key_file  = "/vault/tls/vault-key.pem"
  tls_client_ca_file = "/vault/tls/ca.pem"
  
  # Security headers
  tls_min_version = "tls12"
  tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
  
  # Request size limits
  tls_require_and_verify_client_cert = false
  tls_disable_client_certs = false
}

# Cluster configuration
cluster_addr = "https://vault-1.vault.svc.cluster.local:8201"
api_addr = "https://vault-1.vault.svc.cluster.local:8200"

# Seal configuration (auto-unseal)
seal "awskms" {
  region     = "us-east-1"
  kms_key_id = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
}

# UI
ui = true

# Logging
log_level = "INFO"
log_format = "json"

# Disable memory lock (if running in container)
disable_mlock = true

# Raw storage endpoint disable
raw_storage_endpoint = false

# Disable performance standby
disable_performance_standby = false

# Enterprise features
license_path = "/vault/license/vault.hclic"

# Telemetry
telemetry {
  prometheus_retention_time = "30s"
  disable_hostname = true
  
  # StatsD
  statsd_address = "statsd.monitoring.svc.cluster.local:8125"
  
  # Datadog
  dogstatsd_addr = "datadog-agent.monitoring.svc.cluster.local:8125"
  dogstatsd_tags = ["vault_cluster:prod", "environment:production"]
}

# Entropy Augmentation
entropy "seal" {
  mode = "augmentation"
}
