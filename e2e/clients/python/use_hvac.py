"""What programs in Python do with Vault, by the hvac library. VAULT_ADDR, VAULT_TOKEN and UNSEAL_KEY name the server."""

import os
import time
import unittest
import uuid

import hvac
from hvac import exceptions

ADDRESS = os.environ["VAULT_ADDR"]


class UseHvac(unittest.TestCase):
    def setUp(self):
        self.client = hvac.Client(url=ADDRESS, token=os.environ["VAULT_TOKEN"])
        self.name = "hvac-" + uuid.uuid4().hex[:8]

    def as_token(self, token):
        return hvac.Client(url=ADDRESS, token=token)

    def test_health_and_status(self):
        self.assertTrue(self.client.is_authenticated())
        self.assertTrue(self.client.sys.is_initialized())
        self.assertFalse(self.client.sys.is_sealed())
        self.assertIn(self.client.sys.read_health_status(method="HEAD").status_code, (200, 429))
        self.assertEqual(self.client.seal_status["t"], 1)
        self.assertTrue(self.client.ha_status["ha_enabled"])
        self.assertIn("leader_address", self.client.sys.read_leader_status())

    def test_unsealing_an_unsealed_node(self):
        self.assertFalse(self.client.sys.submit_unseal_key(os.environ["UNSEAL_KEY"])["sealed"])

    def test_raft(self):
        servers = self.client.sys.read_raft_config()["data"]["config"]["servers"]
        self.assertEqual(sorted(server["node_id"] for server in servers), ["node-1", "node-2", "node-3"])
        self.client.sys.remove_raft_node("nobody")
        with self.assertRaises(exceptions.InvalidRequest):
            self.client.sys.join_raft_cluster("http://127.0.0.1:1")
        state = self.client.read("sys/storage/raft/autopilot/state")["data"]
        self.assertEqual(len(state["servers"]), 3)
        self.client.write("sys/storage/raft/autopilot/configuration", last_contact_threshold="11s")
        settings = self.client.read("sys/storage/raft/autopilot/configuration")["data"]
        self.assertEqual(settings["last_contact_threshold"], "11s")

    def test_kv1(self):
        self.client.sys.enable_secrets_engine("kv", path=self.name, options={"version": "1"})
        kv = self.client.secrets.kv.v1
        kv.create_or_update_secret("a/b", secret={"k": "v", "ü": "ß"}, mount_point=self.name)
        self.assertEqual(kv.read_secret("a/b", mount_point=self.name)["data"], {"k": "v", "ü": "ß"})
        self.assertEqual(kv.list_secrets("", mount_point=self.name)["data"]["keys"], ["a/"])
        kv.delete_secret("a/b", mount_point=self.name)
        with self.assertRaises(exceptions.InvalidPath):
            kv.read_secret("a/b", mount_point=self.name)
        self.client.sys.disable_secrets_engine(self.name)

    def test_kv2(self):
        self.client.sys.enable_secrets_engine("kv", path=self.name, options={"version": "2"})
        kv = self.client.secrets.kv.v2
        for number in (1, 2, 3):
            written = kv.create_or_update_secret("app", secret={"n": number}, mount_point=self.name)
            self.assertEqual(written["data"]["version"], number)
        read = lambda **more: kv.read_secret_version("app", mount_point=self.name, **more)
        self.assertEqual(read(raise_on_deleted_version=True)["data"]["data"], {"n": 3})
        self.assertEqual(read(version=1, raise_on_deleted_version=True)["data"]["data"], {"n": 1})
        with self.assertRaises(exceptions.InvalidRequest):
            kv.create_or_update_secret("app", secret={"n": 9}, cas=1, mount_point=self.name)
        kv.patch("app", secret={"more": True}, mount_point=self.name)
        self.assertEqual(read(raise_on_deleted_version=True)["data"]["data"], {"n": 3, "more": True})
        kv.delete_latest_version_of_secret("app", mount_point=self.name)
        with self.assertRaises(exceptions.InvalidPath):
            read(raise_on_deleted_version=True)
        kv.undelete_secret_versions("app", versions=[4], mount_point=self.name)
        self.assertEqual(read(raise_on_deleted_version=True)["data"]["data"]["n"], 3)
        kv.destroy_secret_versions("app", versions=[1], mount_point=self.name)
        metadata = kv.read_secret_metadata("app", mount_point=self.name)["data"]
        self.assertTrue(metadata["versions"]["1"]["destroyed"])
        kv.update_metadata("app", max_versions=2, custom_metadata={"owner": "me"}, mount_point=self.name)
        self.assertEqual(kv.list_secrets("", mount_point=self.name)["data"]["keys"], ["app"])
        kv.delete_metadata_and_all_versions("app", mount_point=self.name)
        with self.assertRaises(exceptions.InvalidPath):
            kv.list_secrets("", mount_point=self.name)
        self.client.sys.disable_secrets_engine(self.name)

    def test_tokens(self):
        made = self.client.auth.token.create(policies=["default"], ttl="1h", meta={"a": "b"})["auth"]
        own = self.as_token(made["client_token"])
        self.assertEqual(own.auth.token.lookup_self()["data"]["meta"], {"a": "b"})
        self.assertEqual(own.auth.token.renew_self(increment="2h")["auth"]["lease_duration"], 7200)
        self.assertEqual(self.client.auth.token.lookup_accessor(made["accessor"])["data"]["policies"], ["default"])
        own.auth.token.revoke_self()
        self.assertFalse(own.is_authenticated())
        orphan = self.client.auth.token.create_orphan(policies=["default"], num_uses=1)["auth"]["client_token"]
        self.as_token(orphan).auth.token.lookup_self()
        with self.assertRaises(exceptions.Forbidden):
            self.as_token(orphan).auth.token.lookup_self()

    def test_policies(self):
        rule = 'path "cubbyhole/*" { capabilities = ["read"] }'
        self.client.sys.create_or_update_policy(self.name, policy=rule)
        self.assertEqual(self.client.sys.read_policy(self.name)["data"]["rules"], rule)
        self.assertIn(self.name, self.client.sys.list_policies()["data"]["policies"])
        made = self.client.auth.token.create(policies=[self.name], no_default_policy=True)["auth"]
        own = self.as_token(made["client_token"])
        with self.assertRaises(exceptions.Forbidden):
            own.write("cubbyhole/x", a="b")
        with self.assertRaises(exceptions.Forbidden):
            own.sys.list_policies()
        capabilities = self.client.sys.get_capabilities(["cubbyhole/x"], token=made["client_token"])
        self.assertEqual(capabilities["data"]["cubbyhole/x"], ["read"])
        self.client.sys.delete_policy(self.name)

    def test_wrapping(self):
        wrapped = self.client.write("sys/wrapping/wrap", wrap_ttl="60s", secret="inside")
        token = wrapped["wrap_info"]["token"]
        self.assertEqual(self.client.sys.unwrap(token)["data"], {"secret": "inside"})
        with self.assertRaises(exceptions.InvalidRequest):
            self.client.sys.unwrap(token)
        listed = self.client.auth.token.create(policies=["default"], wrap_ttl="60s")
        inner = self.as_token(None).sys.unwrap(listed["wrap_info"]["token"])
        self.assertTrue(self.as_token(inner["auth"]["client_token"]).is_authenticated())

    def test_userpass(self):
        self.client.sys.enable_auth_method("userpass", path=self.name)
        userpass = self.client.auth.userpass
        userpass.create_or_update_user("ann", password="wonderland", policies="default", mount_point=self.name)
        own = hvac.Client(url=ADDRESS)
        login = own.auth.userpass.login("ann", "wonderland", mount_point=self.name)
        self.assertEqual(login["auth"]["metadata"], {"username": "ann"})
        self.assertTrue(own.is_authenticated())
        with self.assertRaises(exceptions.InvalidRequest):
            hvac.Client(url=ADDRESS).auth.userpass.login("ann", "wrong", mount_point=self.name)
        self.client.sys.disable_auth_method(self.name)

    def test_approle(self):
        self.client.sys.enable_auth_method("approle", path=self.name)
        approle = self.client.auth.approle
        approle.create_or_update_approle("app", token_policies=["default"], token_ttl="10m", mount_point=self.name)
        role_id = approle.read_role_id("app", mount_point=self.name)["data"]["role_id"]
        secret_id = approle.generate_secret_id("app", mount_point=self.name)["data"]["secret_id"]
        own = hvac.Client(url=ADDRESS)
        login = own.auth.approle.login(role_id, secret_id, mount_point=self.name)
        self.assertEqual(login["auth"]["lease_duration"], 600)
        self.assertTrue(own.is_authenticated())
        self.client.sys.disable_auth_method(self.name)

    def test_mounts_leases_and_audit(self):
        self.client.sys.enable_secrets_engine("kv", path=self.name, description="first")
        self.client.sys.tune_mount_configuration(self.name, default_lease_ttl="1h", description="second")
        self.assertEqual(self.client.sys.read_mount_configuration(self.name)["data"]["default_lease_ttl"], 3600)
        self.client.sys.move_backend(self.name, self.name + "-moved")
        for _ in range(50):
            if self.name + "-moved/" in self.client.sys.list_mounted_secrets_engines()["data"]:
                break
            time.sleep(0.1)
        self.client.sys.disable_secrets_engine(self.name + "-moved")
        self.assertEqual(self.client.sys.list_enabled_audit_devices()["data"], {})

    def test_raft_snapshots(self):
        self.client.sys.enable_secrets_engine("kv", path=self.name, options={"version": "1"})
        kv = self.client.secrets.kv.v1
        kv.create_or_update_secret("a", secret={"k": "saved"}, mount_point=self.name)
        archive = self.client.sys.take_raft_snapshot().content
        kv.create_or_update_secret("a", secret={"k": "later"}, mount_point=self.name)
        self.assertEqual(self.client.sys.restore_raft_snapshot(archive).status_code, 204)
        self.assertEqual(kv.read_secret("a", mount_point=self.name)["data"], {"k": "saved"})
        self.assertEqual(self.client.sys.force_restore_raft_snapshot(archive).status_code, 204)
        with self.assertRaises(exceptions.InvalidRequest):
            self.client.sys.restore_raft_snapshot(archive[:-100])
        self.client.sys.disable_secrets_engine(self.name)

    def test_errors(self):
        with self.assertRaises(exceptions.InvalidRequest):
            self.client.sys.enable_secrets_engine("no-such-type", path=self.name)
        with self.assertRaises(exceptions.Forbidden):
            self.as_token("hvs.nonsense").auth.token.lookup_self()
        self.assertIsNone(self.client.read("cubbyhole/nothing-here"))


if __name__ == "__main__":
    unittest.main()
