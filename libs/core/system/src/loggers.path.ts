import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { NodeOperations } from './node-operations.ts';

/** Names that clients use, and ours. */
const LEVELS: ReadonlyMap<string, string> = new Map([
  ['trace', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['notice', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['err', 'error'],
  ['error', 'error'],
]);

/** @throws RequestError */
function levelOf(text: string | undefined): string {
  if (text === undefined || text === '') throw badRequest('level is required');
  const level = LEVELS.get(text.toLowerCase());
  if (level === undefined) throw badRequest(`invalid level provided: unknown log level: ${text}`);
  return level;
}

/** `sys/loggers`: the levels of this node's logs, until it is restarted or its configuration reloaded. */
export function loggerPaths(node: NodeOperations): readonly PathDeclaration<unknown>[] {
  const unknown = (name: string): Error => badRequest(`logger "${name}" not found`);
  const level = field.string('"trace", "debug", "info", "warn" or "error".');
  return [
    definePath('loggers', {
      fields: { level },
      help: { synopsis: 'The log levels of this node.' },
      read: {
        summary: 'All loggers',
        runs: 'local',
        handler: (): Response => ({ data: Object.fromEntries(node.logLevels()) }),
      },
      update: {
        summary: 'Set the level of all loggers',
        runs: 'local',
        handler: (_: unknown, fields): undefined => {
          node.setLogLevel(undefined, levelOf(fields.level));
          return undefined;
        },
      },
      delete: {
        summary: 'Reset all loggers to what is configured',
        runs: 'local',
        handler: (): undefined => {
          node.resetLogLevel(undefined);
          return undefined;
        },
      },
    }),
    definePath('loggers/:name', {
      fields: { name: field.name('The name of the logger.'), level },
      help: { synopsis: 'The level of one logger of this node.' },
      read: {
        summary: 'One logger',
        runs: 'local',
        handler: (_: unknown, { name }): Response => {
          const found = node.logLevels().get(name);
          return { data: found === undefined ? {} : Object.fromEntries([[name, found]]) };
        },
      },
      update: {
        summary: 'Set the level',
        runs: 'local',
        handler: (_: unknown, fields): undefined => {
          if (!node.setLogLevel(fields.name, levelOf(fields.level))) throw unknown(fields.name);
          return undefined;
        },
      },
      delete: {
        summary: 'Reset the level to what is configured',
        runs: 'local',
        handler: (_: unknown, { name }): undefined => {
          if (!node.resetLogLevel(name)) throw unknown(name);
          return undefined;
        },
      },
    }),
  ];
}
