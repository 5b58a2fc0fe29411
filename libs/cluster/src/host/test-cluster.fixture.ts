import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, silentLog, systemClock, systemRandom, type Clock } from '@coffer/kernel';
import type { HaState, WriteResult } from '@coffer/storage';
import type { ClusterConfig, RaftNode } from '../cluster.ts';
import { openRaftNode } from '../open-raft-node.ts';
import { FakeNetwork, type FakeTransport } from './fake-network.fixture.ts';

export const tls = { caCertificate: '', caKey: new Secret('') };

/** Waits until something is so; the test's own timeout ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

export interface TestNode {
  readonly node: RaftNode;
  readonly transport: FakeTransport;
}

/** A clock by which patience ends sooner; timers, and so elections, run as ever. */
export const impatientClock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 10 };

/** Nodes with real disks on a fake network. */
export class TestCluster {
  readonly network = new FakeNetwork();
  /** For nodes that are opened from now on. */
  clock: Clock = systemClock;
  readonly nodes = new Map<string, TestNode>();
  readonly #folder: string;
  readonly #overrides: Partial<ClusterConfig>;

  private constructor(folder: string, overrides: Partial<ClusterConfig>) {
    this.#folder = folder;
    this.#overrides = overrides;
  }

  static async create(overrides: Partial<ClusterConfig> = {}): Promise<TestCluster> {
    return new TestCluster(await mkdtemp(join(tmpdir(), 'coffer-cluster-')), overrides);
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  config(name: string): ClusterConfig {
    return {
      path: this.path(name),
      nodeId: name,
      apiAddress: `http://${name}:8200`,
      clusterAddress: `https://${name}:8201`,
      listenAddress: '127.0.0.1:0',
      performanceMultiplier: 1,
      logEntriesMax: 1000,
      logBytesMax: 16 << 20,
      entryBytesMax: 1 << 20,
      ...this.#overrides,
    };
  }

  /** Opens a node's disk, as a start of its process does; it is sealed then. */
  async open(name: string, overrides: Partial<ClusterConfig> = {}): Promise<RaftNode> {
    const transport = this.network.transport(name);
    const node = openRaftNode({
      config: { ...this.config(name), ...overrides },
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
      transport,
    });
    await node.open();
    this.nodes.set(name, { node, transport });
    return node;
  }

  /** Restarts a node that was closed, and unseals it. */
  async restart(name: string, overrides: Partial<ClusterConfig> = {}): Promise<RaftNode> {
    const node = await this.open(name, overrides);
    await node.connect(tls);
    return node;
  }

  async bootstrap(name: string): Promise<RaftNode> {
    const node = await this.open(name);
    await node.bootstrap('test-cluster');
    await node.connect(tls);
    return node;
  }

  async join(name: string, nonVoter = false): Promise<RaftNode> {
    const node = await this.open(name);
    const { peerId, peers } = await this.leader().admit(node.self, { nonVoter });
    await node.join({ clusterId: 'test-cluster', peerId, tls, peers }, new AbortController().signal);
    if (!nonVoter)
      await until(() =>
        this.leader()
          .peers()
          .some((peer) => peer.nodeId === name && peer.voter),
      );
    return node;
  }

  /** A cluster of voters, the first of which leads. */
  async of(...names: readonly string[]): Promise<RaftNode[]> {
    const [first, ...others] = names;
    const nodes = [await this.bootstrap(first as string)];
    for (const name of others) nodes.push(await this.join(name));
    return nodes;
  }

  leader(): RaftNode {
    for (const { node } of this.nodes.values()) if (node.state().role === 'active') return node;
    throw new Error('nobody leads');
  }

  /** Waits until one of these nodes is active. */
  async elected(...among: readonly RaftNode[]): Promise<RaftNode> {
    await until(() => among.some((node) => node.state().role === 'active'));
    return among.find((node) => node.state().role === 'active') as RaftNode;
  }

  async close(name: string): Promise<void> {
    await this.nodes.get(name)?.node.close();
    this.nodes.delete(name);
  }

  async destroy(): Promise<void> {
    // All at once: one after the other would hand over the lead again and again.
    await Promise.all([...this.nodes.values()].map(({ node }) => node.close()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function epochOf(node: RaftNode): number {
  const state: HaState = node.state();
  if (state.role !== 'active') throw new Error('the node is not active');
  return state.epoch;
}

export async function put(node: RaftNode, key: string, value: string): Promise<WriteResult> {
  return await node.write({ epoch: epochOf(node), ops: [{ kind: 'put', key, value: Buffer.from(value) }] });
}

export async function read(node: RaftNode, key: string): Promise<string | undefined> {
  const value = await node.get(key);
  return value === undefined ? undefined : Buffer.from(value).toString();
}
