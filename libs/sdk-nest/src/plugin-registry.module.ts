import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { PluginRegistry } from './plugin-registry.ts';

/** Gives the application its `PluginRegistry`. */
@Module({ imports: [DiscoveryModule], providers: [PluginRegistry], exports: [PluginRegistry] })
export class PluginRegistryModule {}
