import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { EngineType, PluginInfo } from '@coffer/sdk';
import { PluginRegistry, PluginRegistryModule } from '@coffer/sdk-nest';
import { describeEngine } from '@coffer/testing';
import { PLUGIN_MODULES } from './plugins.ts';

/** As the server's own module, without the server. */
@Module({ imports: [PluginRegistryModule, ...PLUGIN_MODULES] })
class AllPlugins {}

const application = await NestFactory.createApplicationContext(AllPlugins, { logger: false });
const registry = application.get(PluginRegistry);
afterAll(() => application.close());

const engines = (['secret', 'auth'] as const).flatMap((kind) =>
  registry.list(kind).map((info) => ({ kind, info, type: engineOf(kind, info) })),
);

function engineOf(kind: 'secret' | 'auth', info: PluginInfo): EngineType {
  const found = registry.engine(kind, info.names[0] ?? '');
  if (!found) throw new Error(`${kind} plugin ${String(info.names[0])} is not found by its name`);
  return found.type;
}

/** The options that a type's names imply, each once; none for its own name. */
function optionsOf({ impliedOptions = {} }: PluginInfo): readonly Readonly<Record<string, string>>[] {
  const texts = new Set(['{}', ...Object.values(impliedOptions).map((options) => JSON.stringify(options))]);
  return [...texts].map((text) => JSON.parse(text) as Readonly<Record<string, string>>);
}

describe('the list of plugins', () => {
  it('has an engine, auth method or audit device for each module', () => {
    const listed = (['secret', 'auth', 'audit'] as const).flatMap((kind) => registry.list(kind));
    expect(listed.length).toBeGreaterThanOrEqual(PLUGIN_MODULES.length);
    expect(new Set(PLUGIN_MODULES).size).toBe(PLUGIN_MODULES.length);
  });

  it('has what is mounted by itself', () => {
    expect(registry.engine('secret', 'cubbyhole')?.info.singleton).toBe(true);
  });
});

for (const { kind, info, type } of engines)
  for (const options of optionsOf(info))
    describeEngine(`${kind} plugin ${String(info.names[0])} ${JSON.stringify(options)}`, type, { kind, options });
