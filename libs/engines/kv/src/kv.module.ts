import { Module } from '@nestjs/common';
import { KvEngine } from './kv.engine.ts';

@Module({ providers: [KvEngine] })
export class KvModule {}
