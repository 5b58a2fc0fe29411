import { Module } from '@nestjs/common';
import { PluginRegistryModule } from '@coffer/sdk-nest';
import { PLUGIN_MODULES } from './plugins.ts';

/** The process: plugins and their registry. What serves requests is made from these in `node/`. */
@Module({ imports: [PluginRegistryModule, ...PLUGIN_MODULES] })
export class AppModule {}
