import 'reflect-metadata';
import { join } from 'node:path';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { systemClock, systemRandom } from '@coffer/kernel';
import type { Clock, Log, LogLevel, Random } from '@coffer/kernel';
import { TlsTransport, openRaftNode } from '@coffer/cluster';
import type { ForwardChannel } from '@coffer/cluster';
import { Pipeline } from '@coffer/core-pipeline';
import { BodyBudget, Listener, RequestHandler } from '@coffer/gateway';
import { PluginRegistry } from '@coffer/sdk-nest';
import { InmemBackend, alwaysActive } from '@coffer/storage';
import type { Backend, HaCoordinator } from '@coffer/storage';
import { decodeMessage, encodeMessage } from 'raft-ts';
import { AppModule } from '../app.module.ts';
import { healthPages } from '../health/health-pages.ts';
import { collectStart } from './collect-start.ts';
import { LineLog, LogLevels } from '../logging/line-log.ts';
import { BodyStreams } from '../node/body-streams.ts';
import { refuseMigrating } from '../migrate/marker.ts';
import { ClusterMember } from '../node/cluster-member.ts';
import type { ClusterPart } from '../node/cluster-part.ts';
import { CofferNode } from '../node/coffer-node.ts';
import { systemDirectories } from '../node/directories.ts';
import type { NodeParts } from '../node/node-parts.ts';
import { ClusterForwarder, serveForwarded } from '../node/forwarding.ts';
import { ClusterSnapshots } from '../snapshots/cluster-snapshots.ts';
import { pages } from '../pages/pages.ts';
import { COFFER_VERSION, DATA_FORMAT, VERSION } from '../node/version.ts';
import { endGracefully } from './graceful-end.ts';
import type { ServerSettings } from './settings.ts';
import { guardVersion } from './version-guard.ts';

/** A server that runs: its node, its listeners, and the Nest application beside them. */
export interface RunningServer {
  readonly node: CofferNode;
  readonly cluster: ClusterMember | undefined;
  readonly listeners: readonly Listener[];
  readonly log: Log;
  /** SIGHUP. */
  reload(level: LogLevel | undefined): Promise<void>;
  /** Hands over, finishes what is under way, closes everything. */
  close(): Promise<void>;
}

interface Store {
  readonly backend: Backend;
  readonly ha: HaCoordinator;
  readonly cluster?: ClusterPart;
  /** Where requests are forwarded, if there can be standbys. */
  readonly forward?: ForwardChannel;
  /** The same as `cluster`, of raft. */
  readonly raft?: ClusterMember;
}

/** @throws StorageError, NodeJS.ErrnoException (an address in use) */
export async function startServer(settings: ServerSettings, write: (line: string) => void): Promise<RunningServer> {
  const clock = systemClock;
  const random = systemRandom;
  const levels = new LogLevels(settings.logLevel);
  const log = new LineLog('', { levels, clock, format: settings.logFormat, sink: write });
  const store = await openStore(settings, clock, random, log);
  const app = await NestFactory.create<NestExpressApplication>(AppModule, new ExpressAdapter(), {
    logger: false,
    abortOnError: false,
  });
  app.disable('x-powered-by');
  app.use(
    healthPages(app.get(LazyModuleLoader), {
      sealStatus: () => node.sealStatus(),
      ha: () => node.ha(),
      ending: () => node.ending(),
      storageFault: () => {
        const health = store.raft?.raft.health();
        return health && health.disk !== 'ok'
          ? (health.diskError ?? 'a write to the disk does not come to an end')
          : undefined;
      },
    }),
  );
  app.use(pages);
  await app.init();
  const node: CofferNode = new CofferNode({
    ...store,
    plugins: app.get(PluginRegistry),
    clock,
    random,
    log,
    clusterName: settings.clusterName,
    ...snapshotsOf(settings, store, clock, random, log),
    systemTtl: { defaultSeconds: settings.defaultLeaseTtlSeconds, maxSeconds: settings.maxLeaseTtlSeconds },
    cacheBytesMax: settings.cacheBytesMax,
    rawStorageEndpoint: settings.rawStorageEndpoint,
    sanitizedConfig: settings.sanitized,
    logLevels: {
      logLevels: () => levels.all(),
      setLogLevel: (name, level) => levels.set(name, level as LogLevel),
      resetLogLevel: (name) => levels.reset(name, settings.logLevel),
    },
    reload: () => Promise.resolve(false),
    unsealed: collectStart,
    inFlight: () => pipeline.requestsInFlight(),
  });
  const streams = store.forward && new BodyStreams(store.forward, store.ha.self, clock, random);
  const pipeline: Pipeline = new Pipeline({
    node,
    forwarder: new ClusterForwarder(store.ha, store.forward, clock, streams),
    clock,
    log: log.named('core'),
  });
  if (store.forward && streams) serveForwarded(store.forward, pipeline, clock, streams);
  // The one place where Express is seen: everything that is not the API.
  const express = app.getHttpAdapter().getInstance() as (message: IncomingMessage, response: ServerResponse) => void;
  const bodies = new BodyBudget();
  const listeners = settings.listeners.map(({ listener, handler }) => {
    const requests = new RequestHandler(
      {
        pipeline,
        namespaces: node.namespaces,
        bodies,
        clock,
        random,
        log: log.named('http'),
        cors: { judge: (origin) => node.cors(origin) },
      },
      handler,
    );
    return new Listener(requests, express, listener);
  });
  for (const listener of listeners) await listener.open();
  for (const note of settings.notes) log.info(note);
  for (const caution of settings.cautions) log.warn(caution);
  store.raft?.startJoining();
  return {
    node,
    cluster: store.raft,
    listeners,
    log,
    reload: async (level) => {
      if (level) levels.set(undefined, level);
      for (const listener of listeners) listener.reloadTls();
      await node.reopenAuditFiles();
    },
    close: async () => {
      store.raft?.stopJoining();
      await endGracefully({ node, pipeline, listeners, clock, log });
      await app.close();
    },
  };
}

function snapshotsOf(
  { storage }: ServerSettings,
  store: Store,
  clock: Clock,
  random: Random,
  log: Log,
): Pick<NodeParts, 'snapshots'> {
  const raft = store.raft?.raft;
  if (!raft || storage.kind !== 'raft') return {};
  const folder = join(storage.path, 'restore');
  const common = { raft, folder, clock, random, log: log.named('snapshots') };
  return { snapshots: (node) => new ClusterSnapshots({ ...common, ...node }) };
}

async function openStore(settings: ServerSettings, clock: Clock, random: Random, log: Log): Promise<Store> {
  const { storage, apiAddress, clusterAddress } = settings;
  if (storage.kind === 'inmem') {
    return {
      backend: new InmemBackend(),
      ha: alwaysActive({ nodeId: 'inmem', apiAddress, clusterAddress }, clock.nowMs()),
    };
  }
  if (storage.kind === 'remote') {
    const { openRemote } = await import('./remote-storage.ts');
    const { backend, member, forward } = await openRemote(storage, settings, clock, random, log);
    return { backend, ha: backend.ha, cluster: member, ...(forward ? { forward } : {}) };
  }
  const raftLog = log.named('storage').named('raft');
  const transport = new TlsTransport({
    self: { nodeId: storage.nodeId, apiAddress, clusterAddress },
    listenAddress: settings.clusterListenAddress,
    codec: { encode: encodeMessage, decode: decodeMessage },
    clock,
    random,
    log: raftLog.named('transport'),
    leafLifeMs: settings.authorityTimes.leafLifeMs,
  });
  const raft = openRaftNode({
    config: { ...storage, apiAddress, clusterAddress, listenAddress: settings.clusterListenAddress },
    clock,
    random,
    log: raftLog,
    transport,
  });
  await guardVersion(storage.path, { version: COFFER_VERSION, format: DATA_FORMAT });
  await raft.open();
  await refuseMigrating(raft);
  const member = new ClusterMember({
    raft,
    retryJoin: storage.retryJoin,
    joinsAsNonVoter: storage.joinsAsNonVoter,
    traits: {
      version: VERSION,
      ...(storage.redundancyZone === undefined ? {} : { zone: storage.redundancyZone }),
      ...(storage.upgradeVersion === undefined ? {} : { upgradeVersion: storage.upgradeVersion }),
    },
    directories: systemDirectories,
    clock,
    random,
    log: raftLog,
    authorityTimes: settings.authorityTimes,
  });
  return { backend: raft, ha: raft, cluster: member, raft: member, forward: raft.forward };
}
