import { Module } from '@nestjs/common';
import { UserpassMethod } from './userpass.engine.ts';

@Module({ providers: [UserpassMethod] })
export class UserpassModule {}
