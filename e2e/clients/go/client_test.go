// Package client uses the server as Go programs do, by Vault's own client. VAULT_ADDR and VAULT_TOKEN name the server.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"time"

	vault "github.com/hashicorp/vault/api"
)

func newClient(t *testing.T) *vault.Client {
	t.Helper()
	client, err := vault.NewClient(vault.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func uniqueName() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return "go-" + hex.EncodeToString(random)
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestStatus(t *testing.T) {
	client := newClient(t)
	health := must(client.Sys().Health())(t)
	if !health.Initialized || health.Sealed {
		t.Fatalf("health: %+v", health)
	}
	leader := must(client.Sys().Leader())(t)
	if !leader.HAEnabled || leader.LeaderAddress == "" {
		t.Fatalf("leader: %+v", leader)
	}
	status := must(client.Sys().SealStatus())(t)
	if status.T != 1 || status.N != 1 || status.StorageType != "raft" {
		t.Fatalf("seal status: %+v", status)
	}
}

func TestAutopilot(t *testing.T) {
	sys := newClient(t).Sys()
	config := must(sys.RaftAutopilotConfiguration())(t)
	if config.ServerStabilizationTime != 10*time.Second || config.DeadServerLastContactThreshold != 24*time.Hour {
		t.Fatalf("configuration: %+v", config)
	}
	config.MaxTrailingLogs = 2000
	if err := sys.PutRaftAutopilotConfiguration(config); err != nil {
		t.Fatal(err)
	}
	config = must(sys.RaftAutopilotConfiguration())(t)
	if config.MaxTrailingLogs != 2000 || config.CleanupDeadServers {
		t.Fatalf("configuration: %+v", config)
	}
	state := must(sys.RaftAutopilotState())(t)
	if len(state.Servers) != 3 || state.Servers[state.Leader] == nil || state.Servers[state.Leader].Status != "leader" {
		t.Fatalf("state: %+v", state)
	}
}

func TestRaftSnapshot(t *testing.T) {
	client := newClient(t)
	name := uniqueName()
	if err := client.Sys().Mount(name, &vault.MountInput{Type: "kv"}); err != nil {
		t.Fatal(err)
	}
	write := func(value string) {
		must(client.Logical().Write(name+"/a", map[string]any{"k": value}))(t)
	}
	write("saved")
	var archive bytes.Buffer
	if err := client.Sys().RaftSnapshot(&archive); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		write("later")
		if err := client.Sys().RaftSnapshotRestore(bytes.NewReader(archive.Bytes()), force); err != nil {
			t.Fatal(err)
		}
		if read := must(client.Logical().Read(name + "/a"))(t); read.Data["k"] != "saved" {
			t.Fatalf("data %v", read.Data)
		}
	}
	cut := bytes.NewReader(archive.Bytes()[:archive.Len()-100])
	if err := client.Sys().RaftSnapshotRestore(cut, false); err == nil {
		t.Fatal("restored half a snapshot")
	}
}

func TestKVv2(t *testing.T) {
	client, ctx, mount := newClient(t), context.Background(), uniqueName()
	if err := client.Sys().Mount(mount, &vault.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}); err != nil {
		t.Fatal(err)
	}
	kv := client.KVv2(mount)
	written := must(kv.Put(ctx, "app", map[string]any{"a": "1"}))(t)
	if written.VersionMetadata.Version != 1 {
		t.Fatalf("version %d", written.VersionMetadata.Version)
	}
	must(kv.Patch(ctx, "app", map[string]any{"b": "2"}))(t)
	read := must(kv.Get(ctx, "app"))(t)
	if !reflect.DeepEqual(read.Data, map[string]any{"a": "1", "b": "2"}) {
		t.Fatalf("data %v", read.Data)
	}
	if _, err := kv.Put(ctx, "app", map[string]any{"a": "9"}, vault.WithCheckAndSet(1)); err == nil {
		t.Fatal("a check-and-set of an old version was taken")
	}
	first := must(kv.GetVersion(ctx, "app", 1))(t)
	if !reflect.DeepEqual(first.Data, map[string]any{"a": "1"}) {
		t.Fatalf("data %v", first.Data)
	}
	if err := kv.Delete(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "missing"); !errors.Is(err, vault.ErrSecretNotFound) {
		t.Fatalf("a missing secret: %v", err)
	}
	if err := kv.Undelete(ctx, "app", []int{2}); err != nil {
		t.Fatal(err)
	}
	must(kv.Rollback(ctx, "app", 1))(t)
	versions := must(kv.GetVersionsAsList(ctx, "app"))(t)
	if len(versions) != 3 {
		t.Fatalf("%d versions", len(versions))
	}
	listed := must(client.Logical().List(mount + "/metadata"))(t)
	if !reflect.DeepEqual(listed.Data["keys"], []any{"app"}) {
		t.Fatalf("keys %v", listed.Data["keys"])
	}
	if err := client.Sys().Unmount(mount); err != nil {
		t.Fatal(err)
	}
}

func TestTokensAndPolicies(t *testing.T) {
	client, name := newClient(t), uniqueName()
	if err := client.Sys().PutPolicy(name, `path "cubbyhole/*" { capabilities = ["read"] }`); err != nil {
		t.Fatal(err)
	}
	made := must(client.Auth().Token().Create(&vault.TokenCreateRequest{Policies: []string{name}, TTL: "1h"}))(t)
	own := newClient(t)
	own.SetToken(made.Auth.ClientToken)
	self := must(own.Auth().Token().LookupSelf())(t)
	if ttl := must(self.TokenTTL())(t); ttl <= 0 {
		t.Fatalf("ttl %v", ttl)
	}
	_, err := own.Logical().Write("sys/policies/acl/other", map[string]any{"policy": ""})
	var refused *vault.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != 403 {
		t.Fatalf("a write that the policy does not allow: %v", err)
	}
	must(own.Auth().Token().RenewSelf(7200))(t)
	if err := client.Auth().Token().RevokeAccessor(made.Auth.Accessor); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Auth().Token().LookupSelf(); err == nil {
		t.Fatal("a revoked token is valid")
	}
	if err := client.Sys().DeletePolicy(name); err != nil {
		t.Fatal(err)
	}
}

func TestWrapping(t *testing.T) {
	client := newClient(t)
	client.SetWrappingLookupFunc(func(_, _ string) string { return "60s" })
	wrapped := must(client.Logical().Write("sys/wrapping/wrap", map[string]any{"a": "b"}))(t)
	plain := newClient(t)
	inner := must(plain.Logical().Unwrap(wrapped.WrapInfo.Token))(t)
	if inner.Data["a"] != "b" {
		t.Fatalf("data %v", inner.Data)
	}
	if _, err := plain.Logical().Unwrap(wrapped.WrapInfo.Token); err == nil {
		t.Fatal("unwrapped twice")
	}
}

func TestRenewer(t *testing.T) {
	client := newClient(t)
	made := must(client.Auth().Token().Create(&vault.TokenCreateRequest{Policies: []string{"default"}, TTL: "1h"}))(t)
	own := newClient(t)
	own.SetToken(made.Auth.ClientToken)
	watcher := must(own.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: made}))(t)
	go watcher.Start()
	defer watcher.Stop()
	select {
	case <-watcher.RenewCh():
	case err := <-watcher.DoneCh():
		t.Fatalf("the watcher ended: %v", err)
	}
}
