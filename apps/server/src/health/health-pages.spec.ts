import 'reflect-metadata';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import express from 'express';
import type { HaState } from '@coffer/storage';
import { healthPages } from './health-pages.ts';

@Module({})
class EmptyModule {}

const LEADER = { nodeId: 'n1', apiAddress: 'http://10.0.0.1:8200', clusterAddress: 'https://10.0.0.1:8201' };

describe('health pages', () => {
  const node = {
    status: { initialized: true, sealed: false },
    role: { role: 'active', epoch: 1, sinceMs: 0 } as HaState,
    fault: undefined as string | undefined,
    ending: false,
  };
  let server: Server;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const app = await NestFactory.createApplicationContext(EmptyModule, { logger: false });
    const pages = express();
    pages.use(
      healthPages(app.get(LazyModuleLoader), {
        sealStatus: () => node.status,
        ha: () => node.role,
        ending: () => node.ending,
        storageFault: () => node.fault,
      }),
    );
    server = createServer(pages as never).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    close = () => app.close();
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await close();
  });
  beforeEach(() => {
    node.status = { initialized: true, sealed: false };
    node.role = { role: 'active', epoch: 1, sinceMs: 0 };
    node.fault = undefined;
    node.ending = false;
  });

  const probe = async (path: string, method = 'GET'): Promise<[number, Record<string, unknown>]> => {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, { method });
    const text = await response.text();
    return [response.status, text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}];
  };

  it('say that a node serves', async () => {
    const [status, body] = await probe('/health/ready');
    expect([status, body.status, body.error]).toEqual([200, 'ok', {}]);
    expect(body.details).toEqual({
      storage: { status: 'up' },
      seal: { status: 'up' },
      leader: { status: 'up', role: 'active' },
    });
    node.role = { role: 'standby', leader: LEADER };
    expect((await probe('/health/ready'))[0]).toBe(200);
  });

  it.each<[string, () => void, Record<string, unknown>]>([
    ['sealed', () => (node.status = { initialized: true, sealed: true }), { seal: 'sealed' }],
    ['not initialized', () => (node.status = { initialized: false, sealed: true }), { seal: 'not initialized' }],
    ['about to end', () => (node.ending = true), { leader: 'the node is about to end' }],
    ['without a leader', () => (node.role = { role: 'standby' }), { leader: 'no active node is known' }],
  ])('say that a node is not ready that is %s, and that it lives', async (_, change, reasons) => {
    change();
    const [status, body] = await probe('/health/ready');
    expect([status, body.status]).toEqual([503, 'error']);
    const told = Object.entries(body.error as Record<string, { reason: string }>).map(([name, { reason }]) => [
      name,
      reason,
    ]);
    expect(Object.fromEntries(told)).toEqual(reasons);
    expect((await probe('/health/live'))[0]).toBe(200);
  });

  it('say that a node whose storage fails does not live', async () => {
    node.fault = 'the disk failed';
    const [status, body] = await probe('/health/live');
    expect([status, body.error]).toEqual([503, { storage: { status: 'down', reason: 'the disk failed' } }]);
  });

  it('are these two alone, and to be read only', async () => {
    expect((await probe('/health'))[0]).toBe(404);
    expect((await probe('/health/live', 'POST'))[0]).toBe(404);
    expect((await probe('/health/live', 'HEAD'))[0]).toBe(200);
  });
});
