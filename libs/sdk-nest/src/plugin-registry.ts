import { Injectable } from '@nestjs/common';
// Nest takes the constructor's parameters from these at run time.
import { DiscoveryService, Reflector } from '@nestjs/core';
import { assert } from '@coffer/kernel';
import { PathTable } from '@coffer/sdk';
import type { AuditDeviceType, EngineType, PluginInfo } from '@coffer/sdk';
import { PLUGIN_INFO } from './decorators.ts';

interface RegisteredEngine {
  readonly info: PluginInfo;
  readonly type: EngineType;
}

/**
 * All secrets engines, auth methods and audit devices of the process, found among the providers of the modules listed
 * in the server's `plugins.ts`. A duplicate name, a missing help text or two paths of one shape fail the start.
 */
@Injectable()
export class PluginRegistry {
  readonly #engines = new Map<string, RegisteredEngine>();
  readonly #auditDevices = new Map<string, AuditDeviceType>();
  readonly #infos: PluginInfo[] = [];
  readonly #discovery: DiscoveryService;
  readonly #reflector: Reflector;

  constructor(discovery: DiscoveryService, reflector: Reflector) {
    this.#discovery = discovery;
    this.#reflector = reflector;
  }

  /** Called by Nest when all modules are there. @throws AssertionFailure */
  onModuleInit(): void {
    for (const { metatype, instance } of this.#discovery.getProviders()) {
      if (!metatype) continue;
      const info = this.#reflector.get<PluginInfo | undefined>(PLUGIN_INFO, metatype);
      // Nest types instances as any: the decorators promise what they are.
      if (info) this.register(info, instance as EngineType | AuditDeviceType);
    }
  }

  /** @throws AssertionFailure for a name that is taken or a declaration that is not whole */
  register(info: PluginInfo, plugin: EngineType | AuditDeviceType): void {
    assert(info.names.length > 0, `a plugin of kind ${info.kind} has a name`);
    const label = `${info.kind} plugin ${info.names[0] ?? ''}`;
    assert(plugin.help.synopsis !== '' && plugin.help.description !== '', `${label} has a help text`);
    for (const name of info.names) {
      const key = `${info.kind}/${name}`;
      const isTaken = info.kind === 'audit' ? this.#auditDevices.has(name) : this.#engines.has(key);
      assert(!isTaken, `the name of ${label} is free: ${name}`);
      if (info.kind === 'audit') this.#auditDevices.set(name, plugin as AuditDeviceType);
      else this.#engines.set(key, { info, type: plugin as EngineType });
    }
    if (info.kind !== 'audit') checkEngine(label, plugin as EngineType);
    this.#infos.push(info);
  }

  engine(kind: 'secret' | 'auth', name: string): RegisteredEngine | undefined {
    return this.#engines.get(`${kind}/${name}`);
  }

  auditDevice(name: string): AuditDeviceType | undefined {
    return this.#auditDevices.get(name);
  }

  list(kind: PluginInfo['kind']): readonly PluginInfo[] {
    return this.#infos.filter((info) => info.kind === kind);
  }
}

/** @throws AssertionFailure for two paths of one shape, or two secret types or intents of one name */
function checkEngine(label: string, { paths, secretTypes = [], intentTypes = [] }: EngineType): void {
  new PathTable(paths);
  for (const names of [secretTypes.map(({ type }) => type), intentTypes.map(({ kind }) => kind)])
    assert(new Set(names).size === names.length, `${label} names each secret type and intent once`);
}
