import { Module } from '@nestjs/common';
import { AppRoleMethod } from './approle.engine.ts';

@Module({ providers: [AppRoleMethod] })
export class AppRoleModule {}
