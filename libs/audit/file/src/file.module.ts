import { Module } from '@nestjs/common';
import { FileAudit } from './file.audit.ts';

@Module({ providers: [FileAudit] })
export class FileAuditModule {}
