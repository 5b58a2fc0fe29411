import { AUTOPILOT_DEFAULTS } from '@coffer/storage';
import type { AutopilotSettings } from '@coffer/storage';

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
  return { ...AUTOPILOT_DEFAULTS, ...set };
}
