import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';

/** What health probes are made with; loaded with the first of them. */
@Module({ imports: [TerminusModule.forRoot({ logger: false })], exports: [TerminusModule] })
export class HealthModule {}
