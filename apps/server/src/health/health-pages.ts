import { ServiceUnavailableException } from '@nestjs/common';
import type { LazyModuleLoader } from '@nestjs/core';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Probes, ProbedNode } from './probes.ts';

/**
 * `GET /health/live` and `/health/ready`, beside the API: 200, or 503 with what is down. Terminus is loaded with the
 * first probe, so that a node that nobody probes does not carry it.
 */
export function healthPages(modules: LazyModuleLoader, node: ProbedNode): RequestHandler {
  let probes: Promise<Probes> | undefined;
  return (request: Request, response: Response, next: NextFunction): void => {
    const kind = request.path === '/health/live' ? 'live' : request.path === '/health/ready' ? 'ready' : undefined;
    if (kind === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      next();
      return;
    }
    probes ??= loadProbes(modules, node);
    probes.then((loaded) => answer(loaded, kind, response)).catch(next);
  };
}

async function loadProbes(modules: LazyModuleLoader, node: ProbedNode): Promise<Probes> {
  const [{ HealthModule }, { Probes }, { HealthCheckService, HealthIndicatorService }] = await Promise.all([
    import('./health.module.ts'),
    import('./probes.ts'),
    import('@nestjs/terminus'),
  ]);
  const module = await modules.load(() => HealthModule);
  // Not global: each look-up makes the service anew.
  const checks = await module.resolve(HealthCheckService, undefined, { strict: false });
  return new Probes(checks, module.get(HealthIndicatorService, { strict: false }), node);
}

async function answer(probes: Probes, kind: 'live' | 'ready', response: Response): Promise<void> {
  response.setHeader('cache-control', 'no-store');
  try {
    response.status(200).json(await probes[kind]());
  } catch (error) {
    if (!(error instanceof ServiceUnavailableException)) throw error;
    response.status(503).json(error.getResponse());
  }
}
