import { cpus, freemem, hostname, loadavg, machine, platform, release, totalmem, uptime } from 'node:os';
import { statfs } from 'node:fs/promises';
import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { NodeOperations } from './node-operations.ts';

/** What `sys/internal/counters` counts. */
export interface Counters {
  /** Service tokens that live now. */
  tokens(): Promise<number>;
  entities(): Promise<number>;
}

/** `sys/host-info`: the machine that this node runs on. */
export async function hostInfo(nowMs: number): Promise<Record<string, unknown>> {
  const total = totalmem();
  const free = freemem();
  const disk = await statfs('/');
  const size = disk.blocks * disk.bsize;
  const available = disk.bavail * disk.bsize;
  const used = size - disk.bfree * disk.bsize;
  return {
    timestamp: new Date(nowMs).toISOString(),
    host: {
      hostname: hostname(),
      os: platform(),
      kernelArch: machine(),
      platform: platform(),
      kernelVersion: release(),
      uptime: Math.floor(uptime()),
      bootTime: Math.floor(nowMs / 1000 - uptime()),
      loadAverage: loadavg(),
    },
    cpu: cpus().map(({ model, speed }, cpu) => ({ cpu, modelName: model, mhz: speed, cores: 1 })),
    cpu_times: cpus().map(({ times }, cpu) => ({
      cpu: `cpu${String(cpu)}`,
      user: times.user / 1000,
      system: times.sys / 1000,
      idle: times.idle / 1000,
      nice: times.nice / 1000,
      irq: times.irq / 1000,
    })),
    memory: {
      total,
      available: free,
      used: total - free,
      usedPercent: (100 * (total - free)) / total,
      free,
    },
    disk: [
      {
        path: '/',
        total: size,
        free: available,
        used,
        usedPercent: size === 0 ? 0 : (100 * used) / size,
      },
    ],
  };
}

/** What operators look at: `sys/host-info`, `sys/in-flight-req`, `sys/config/state/sanitized`, `sys/metrics`, `sys/config/reload`. */
export function introspectionPaths(node: NodeOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('host-info', {
      fields: {},
      help: { synopsis: 'The machine that this node runs on.' },
      read: {
        summary: 'The machine',
        runs: 'local',
        handler: async (_: unknown, _fields, { nowMs }): Promise<Response> => ({ data: await hostInfo(nowMs) }),
      },
    }),
    definePath('in-flight-req', {
      fields: {},
      help: { synopsis: 'The requests that this node is answering.' },
      neverWrapped: true,
      read: {
        summary: 'Requests in flight',
        runs: 'local',
        handler: (): Response => ({ bare: true, data: node.requestsInFlight() }),
      },
    }),
    definePath('config/state/sanitized', {
      fields: {},
      help: { synopsis: 'How this node is configured, without secrets.' },
      read: {
        summary: 'The configuration',
        runs: 'local',
        handler: (): Response => ({ data: node.sanitizedConfig() }),
      },
    }),
    definePath('config/reload/:subsystem', {
      fields: { subsystem: field.name('What to reload: "license" is not known; "tls" or "log" may be.') },
      help: { synopsis: 'Reads a part of the configuration of this node again.' },
      sudo: true,
      update: {
        summary: 'Reload',
        runs: 'local',
        handler: async (_: unknown, { subsystem }): Promise<undefined> => {
          if (!(await node.reload(subsystem))) throw new RequestError('unsupported-path');
          return undefined;
        },
      },
    }),
    definePath('metrics', {
      fields: { format: field.string('"prometheus" for its text format; JSON otherwise.', { default: '' }) },
      help: { synopsis: 'What this node measures about itself.' },
      neverWrapped: true,
      read: {
        summary: 'The metrics',
        runs: 'local',
        handler: (_: unknown, { format }): Response => metrics(node, format),
      },
    }),
  ];
}

function metrics(node: NodeOperations, format: string): Response {
  if (format !== '' && format !== 'prometheus') {
    throw badRequest(`metric response format ${JSON.stringify(format)} unknown`);
  }
  const isText = format === 'prometheus';
  return {
    raw: {
      status: 200,
      contentType: isText ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json',
      body: node.metrics(isText ? 'prometheus' : 'json'),
    },
  };
}

/** `sys/internal/counters/…`. */
export function counterPaths(counters: () => Counters): readonly PathDeclaration<unknown>[] {
  const removed = (): never => {
    throw new RequestError('unsupported-path', 'The functionality has been removed on this path');
  };
  return [
    definePath('internal/counters/requests', {
      fields: {},
      help: { synopsis: 'Was the number of requests by month; gone, as in Vault.' },
      hidden: true,
      read: { summary: 'Gone', handler: removed },
    }),
    definePath('internal/counters/tokens', {
      fields: {},
      help: { synopsis: 'The number of service tokens.' },
      read: {
        summary: 'The number of tokens',
        handler: async (): Promise<Response> => ({
          data: { counters: { service_tokens: { total: await counters().tokens() } } },
        }),
      },
    }),
    definePath('internal/counters/entities', {
      fields: {},
      help: { synopsis: 'The number of entities.' },
      read: {
        summary: 'The number of entities',
        handler: async (): Promise<Response> => ({
          data: { counters: { entities: { total: await counters().entities() } } },
        }),
      },
    }),
  ];
}
