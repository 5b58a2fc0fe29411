import { Secret } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier, SealKey, ShamirSealManager } from '@coffer/barrier';
import {
  JOIN_STATUS,
  JoinClient,
  JoinError,
  JoinServer,
  challengeToJson,
  createClusterTls,
  fromBase64,
  toBase64,
} from '@coffer/cluster';
import type { ClusterTls, JoinTarget, PeerInfo, RaftNode } from '@coffer/cluster';
import type { RaftJoinRequest, RaftOperations } from '@coffer/core-system';
import { RequestError } from '@coffer/sdk';

export interface ClusterMemberDeps {
  readonly raft: RaftNode;
  readonly retryJoin: readonly JoinTarget[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Where the cluster's own authority is kept. */
const TLS_RECORD = 'core/cluster/tls';

interface StoredTls {
  readonly caCertificate: string;
  readonly caKey: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A node's part in a raft cluster: founding it, joining it, taking part while unsealed. */
export class ClusterMember implements RaftOperations {
  readonly #deps: ClusterMemberDeps;
  readonly #client: JoinClient;
  readonly #server: JoinServer;
  readonly #closing = new AbortController();
  #seal: ShamirSealManager | undefined;
  #tls: ClusterTls | undefined;

  constructor(deps: ClusterMemberDeps) {
    this.#deps = deps;
    this.#client = new JoinClient(deps.clock, deps.random, deps.log.named('join'));
    this.#server = new JoinServer(deps.clock, deps.random);
  }

  get raft(): RaftNode {
    return this.#deps.raft;
  }

  serveJoins(seal: ShamirSealManager): void {
    this.#seal = seal;
  }

  bootstrap(clusterId: string): Promise<void> {
    return this.#deps.raft.bootstrap(clusterId);
  }

  /** The authority of a new cluster, on its first node. */
  async createTls(barrier: AesGcmBarrier): Promise<void> {
    const { raft, clock, random } = this.#deps;
    const tls = await createClusterTls(clock, random);
    const stored: StoredTls = { caCertificate: tls.caCertificate, caKey: tls.caKey.reveal() };
    const state = raft.state();
    if (state.role !== 'active') throw new RequestError('standby');
    await barrier.write({
      epoch: state.epoch,
      ops: [{ kind: 'put', key: TLS_RECORD, value: encoder.encode(JSON.stringify(stored)) }],
    });
    this.#tls = tls;
  }

  /** After unsealing: takes part. */
  async connect(barrier: AesGcmBarrier): Promise<void> {
    const bytes = await barrier.get(TLS_RECORD);
    if (!bytes) throw new RequestError('internal', 'the store holds no cluster certificate');
    const stored = JSON.parse(decoder.decode(bytes)) as StoredTls;
    this.#tls = { caCertificate: stored.caCertificate, caKey: new Secret(stored.caKey) };
    await this.#deps.raft.connect(this.#tls, AbortSignal.any([this.#closing.signal, AbortSignal.timeout(10_000)]));
  }

  async disconnect(): Promise<void> {
    this.#tls = undefined;
    await this.#deps.raft.disconnect();
  }

  /** On a node without a cluster: looks for one to join until there is one, in the background. */
  startJoining(): void {
    const { retryJoin, raft } = this.#deps;
    if (retryJoin.length === 0 || raft.clusterId() !== undefined) return;
    this.#lookInBackground(retryJoin);
  }

  #lookInBackground(targets: readonly JoinTarget[]): void {
    this.#lookForCluster(targets).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#deps.log.error('looking for a cluster to join ended', { error });
    });
  }

  async #lookForCluster(targets: readonly JoinTarget[]): Promise<void> {
    const { clock, log, raft } = this.#deps;
    for (let attempt = 0; !this.#closing.signal.aborted && raft.clusterId() === undefined; attempt++) {
      for (const target of targets) {
        try {
          await this.prepareJoin(target, false);
          return;
        } catch (error) {
          log.debug('no cluster to join yet', { target: target.leaderApiAddress, error });
        }
      }
      await new Promise<void>((resolve) => clock.after(Math.min(250 * 2 ** attempt, 2000), resolve));
    }
  }

  /** Asks a leader for its seal configuration: from then on shares given to this node are for that cluster. */
  async prepareJoin(target: JoinTarget, nonVoter: boolean): Promise<void> {
    const { raft, log } = this.#deps;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(10_000)]);
    const { sealConfig } = await this.#client.challenge(target, raft.self.nodeId, signal);
    this.#seal?.expectJoin(sealConfig, (key) => this.#join(target, nonVoter, key));
    log.info('found a cluster to join; it wants the unseal keys', { leader: target.leaderApiAddress });
  }

  async #join(target: JoinTarget, nonVoter: boolean, key: SealKey): Promise<void> {
    const { raft, log } = this.#deps;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(30_000)]);
    const grant = await this.#client.join(target, { address: raft.self, nonVoter }, key, signal);
    await raft.join(grant, signal);
    log.info('joined a cluster', { clusterId: grant.clusterId, peerId: grant.peerId });
  }

  /** Looks for the cluster named by an operator; see `RaftOperations.join`. */
  async join(request: RaftJoinRequest): Promise<{ readonly joined: boolean }> {
    if (this.#deps.raft.clusterId() !== undefined)
      throw new RequestError('bad-request', 'this node belongs to a cluster already');
    const target: JoinTarget = {
      leaderApiAddress: request.leaderApiAddress,
      ...(request.caCertificate === undefined ? {} : { caCertificate: request.caCertificate }),
      ...(request.clientCertificate === undefined ? {} : { clientCertificate: request.clientCertificate }),
      ...(request.clientKey === undefined ? {} : { clientKey: request.clientKey }),
    };
    if (request.retry) this.#lookInBackground([target]);
    else await told(() => this.prepareJoin(target, request.nonVoter));
    return { joined: true };
  }

  configuration(): { readonly index: number; readonly servers: readonly PeerInfo[] } {
    const { raft } = this.#deps;
    return { index: raft.appliedIndex(), servers: raft.peers() };
  }

  removePeer(serverId: string): Promise<void> {
    return this.#deps.raft.removePeer(serverId);
  }

  /** On the active node: what a joiner must solve. */
  async challenge(serverId: string, source: string): Promise<Readonly<Record<string, unknown>>> {
    const sealer = this.#seal?.sealKey();
    const sealConfig = await this.#seal?.sealConfig();
    const clusterId = this.#deps.raft.clusterId();
    if (!sealer || !sealConfig || clusterId === undefined) throw new RequestError('sealed');
    return told(() =>
      Promise.resolve(challengeToJson(this.#server.challenge({ serverId, source }, { clusterId, sealer, sealConfig }))),
    );
  }

  /** On the active node: lets a joiner in. */
  async answer(serverId: string, source: string, answer: string): Promise<Readonly<Record<string, unknown>>> {
    const sealer = this.#seal?.sealKey();
    const tls = this.#tls;
    const clusterId = this.#deps.raft.clusterId();
    if (!sealer || !tls || clusterId === undefined) throw new RequestError('sealed');
    return told(async () => {
      const grant = await this.#server.answer(
        { serverId, source, answer: fromBase64(answer) },
        sealer,
        async (joiner, options) => {
          const { peerId, peers } = await this.#deps.raft.admit(joiner, options);
          return { clusterId, peerId, tls, peers };
        },
      );
      return { grant: toBase64(grant) };
    });
  }

  /** The other members, as far as known. */
  standbys(): readonly PeerInfo[] {
    const { self } = this.#deps.raft;
    return this.#deps.raft.peers().filter((peer) => peer.nodeId !== self.nodeId);
  }

  indexes(): { readonly committedIndex?: number; readonly appliedIndex?: number } {
    return { appliedIndex: this.#deps.raft.appliedIndex() };
  }

  stopJoining(): void {
    this.#closing.abort(new Error('the node is closing'));
  }
}

/** What went wrong with a join, as the other side is told. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof JoinError)) throw error;
    const status = JOIN_STATUS[error.code];
    if (status === 403) throw new RequestError('permission-denied', error.message, { cause: error });
    if (status === 429) throw new RequestError('quota-exceeded', error.message, { cause: error, retryAfterSeconds: 1 });
    if (status === 503) throw new RequestError('bad-request', error.message, { cause: error });
    throw new RequestError(status === 400 ? 'bad-request' : 'internal', error.message, { cause: error });
  }
}
