import type { Command, CommandGroup } from '../command.ts';
import { genericCommands } from './generic.ts';
import { kvMetadataCommands } from './kv-metadata.ts';
import { kvCommands } from './kv.ts';
import { loginCommands } from './login.ts';
import { versionCommands } from './version.ts';
import { printTokenCommands } from './print-token.ts';
import { unwrapCommands } from './unwrap.ts';
import { leaseCommands } from './lease.ts';
import { auditCommands } from './audit.ts';
import { pathHelpCommands } from './path-help.ts';
import { namespaceCommands } from './namespace.ts';
import { completionCommands } from './completion.ts';
import { serverCommands } from './server.ts';
import { operatorMigrateCommands } from './operator-migrate.ts';
import { operatorSnapshotCommands } from './operator-snapshot.ts';
import { operatorAutopilotCommands } from './operator-autopilot.ts';
import { operatorSharesCommands } from './operator-shares.ts';
import { pluginCommands } from './plugin.ts';
import { mountCommands } from './mounts.ts';
import { operatorCommands } from './operator.ts';
import { operatorRaftCommands } from './operator-raft.ts';
import { raftStatusCommand } from './operator-raft-status.ts';
import { policyCommands } from './policy.ts';
import { statusCommands } from './status.ts';
import { tokenCommands } from './token.ts';

/** Every command. */
export const COMMANDS: readonly Command[] = [
  ...genericCommands,
  ...kvCommands,
  ...kvMetadataCommands,
  ...loginCommands,
  ...versionCommands,
  ...printTokenCommands,
  ...unwrapCommands,
  ...leaseCommands,
  ...auditCommands,
  ...pathHelpCommands,
  ...namespaceCommands,
  ...completionCommands,
  ...serverCommands,
  ...operatorMigrateCommands,
  ...operatorSnapshotCommands,
  ...operatorAutopilotCommands,
  ...operatorSharesCommands,
  ...pluginCommands,
  ...mountCommands,
  ...operatorCommands,
  ...operatorRaftCommands,
  raftStatusCommand,
  ...policyCommands,
  ...statusCommands,
  ...tokenCommands,
];

const group = (name: string, synopsis: string): CommandGroup => ({
  name,
  synopsis,
  help: `${synopsis}. The commands below have help of their own: "vault ${name} <subcommand> -h".`,
});

/** Words with commands below them. */
export const GROUPS: readonly CommandGroup[] = [
  group('audit', 'Interact with audit devices'),
  group('auth', 'Interact with auth methods'),
  group('kv', 'Interact with the Key-Value storage'),
  group('kv metadata', 'Interact with the metadata of Key-Value storage'),
  group('lease', 'Interact with leases'),
  group('namespace', 'Interact with namespaces'),
  group('operator', 'Perform operator-specific tasks'),
  group('operator raft', 'Interact with the Raft storage'),
  group('operator raft snapshot', 'Restores and saves snapshots of the Raft storage'),
  group('operator raft autopilot', 'Interact with autopilot'),
  group('plugin', 'Interact with the plugin catalog'),
  group('policy', 'Interact with policies'),
  group('print', 'Prints runtime configurations'),
  group('secrets', 'Interact with secrets engines'),
  group('token', 'Interact with tokens'),
];
