import type { ServerFlags } from './server-flags.ts';
import type { ServerSettings } from './settings.ts';

export function loadSettings(flags: ServerFlags): ServerSettings {
  throw new Error(`no configuration: ${flags.configPaths.join(', ')}`);
}

export function describeSettings(settings: ServerSettings): string {
  return settings.apiAddress;
}
