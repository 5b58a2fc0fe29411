import { Module } from '@nestjs/common';
import { CubbyholeEngine } from './cubbyhole.engine.ts';

@Module({ providers: [CubbyholeEngine] })
export class CubbyholeModule {}
