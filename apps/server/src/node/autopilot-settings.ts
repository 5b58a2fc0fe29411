import { AUTOPILOT_DEFAULTS } from '@coffer/cluster';
import type { AutopilotConfig } from '@coffer/cluster';
import type { AutopilotSettings } from '@coffer/core-system';

/** Where the settings are kept, in the barrier (as Vault). */
export const AUTOPILOT_RECORD = 'core/raft/autopilot/configuration';

/** What was set: the rest is by default, also by that of later versions. */
export type StoredAutopilot = Partial<AutopilotSettings>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeAutopilot(stored: StoredAutopilot): Uint8Array {
  return encoder.encode(JSON.stringify(stored));
}

export function decodeAutopilot(bytes: Uint8Array | undefined): StoredAutopilot {
  return bytes === undefined ? {} : (JSON.parse(decoder.decode(bytes)) as StoredAutopilot);
}

/** The settings in effect. */
export function settingsOf(stored: StoredAutopilot): AutopilotSettings {
  const set = Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== 0));
  return {
    cleanupDeadServers: AUTOPILOT_DEFAULTS.cleanupDeadServers,
    lastContactThresholdSeconds: AUTOPILOT_DEFAULTS.lastContactMs / 1000,
    deadServerLastContactThresholdSeconds: AUTOPILOT_DEFAULTS.deadServerLastContactMs / 1000,
    maxTrailingLogs: AUTOPILOT_DEFAULTS.maxTrailingLogs,
    minQuorum: AUTOPILOT_DEFAULTS.minQuorum,
    serverStabilizationSeconds: AUTOPILOT_DEFAULTS.serverStabilizationMs / 1000,
    disableUpgradeMigration: AUTOPILOT_DEFAULTS.disableUpgradeMigration,
    ...set,
  };
}

export function autopilotConfigOf(settings: AutopilotSettings): AutopilotConfig {
  return {
    cleanupDeadServers: settings.cleanupDeadServers,
    lastContactMs: settings.lastContactThresholdSeconds * 1000,
    deadServerLastContactMs: settings.deadServerLastContactThresholdSeconds * 1000,
    maxTrailingLogs: settings.maxTrailingLogs,
    minQuorum: settings.minQuorum,
    serverStabilizationMs: settings.serverStabilizationSeconds * 1000,
    disableUpgradeMigration: settings.disableUpgradeMigration,
  };
}
