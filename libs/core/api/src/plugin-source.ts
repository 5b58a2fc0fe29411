import type { AuditDeviceType, EngineType, PluginInfo } from '@coffer/sdk';

/** What is registered, by any of its names. Filled once at start by the Nest registry. */
export interface PluginSource {
  engine(kind: 'secret' | 'auth', name: string): { readonly info: PluginInfo; readonly type: EngineType } | undefined;
  auditDevice(name: string): AuditDeviceType | undefined;
  list(kind: 'secret' | 'auth' | 'audit'): readonly PluginInfo[];
}
