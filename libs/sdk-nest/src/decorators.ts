import { SetMetadata, Injectable, applyDecorators } from '@nestjs/common';
import type { PluginInfo } from '@coffer/sdk';

/** Metadata key under which the registry finds plugins among Nest's providers. */
export const PLUGIN_INFO = Symbol('coffer.plugin');

function plugin(info: PluginInfo): ClassDecorator {
  return applyDecorators(Injectable(), SetMetadata(PLUGIN_INFO, info));
}

/** Marks a provider that implements `EngineType` as a secrets engine: `@SecretsEngine({ names: ['totp'] })`. */
export const SecretsEngine = (info: Omit<PluginInfo, 'kind'>): ClassDecorator => plugin({ ...info, kind: 'secret' });

/** Marks a provider that implements `EngineType` as an auth method. */
export const AuthMethod = (info: Omit<PluginInfo, 'kind'>): ClassDecorator => plugin({ ...info, kind: 'auth' });

/** Marks a provider that implements `AuditDeviceType`. */
export const AuditDevice = (info: { readonly name: string }): ClassDecorator =>
  plugin({ kind: 'audit', names: [info.name] });
