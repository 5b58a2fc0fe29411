import { hostname } from 'node:os';
import { sameOrigin } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { AesGcmBarrier, ShamirSealManager, StoredKeys } from '@coffer/barrier';
import {
  AddressFinder,
  JoinError,
  JoinServer,
  JoinTargets,
  challengeToJson,
  fromBase64,
  parseDiscovery,
  refuseLocalSettings,
  toBase64,
} from '@coffer/cluster';
import type { Directories, Echo, JoinSource, JoinTarget, MemberTraits, PeerInfo, RaftNode } from '@coffer/cluster';
import type {
  AutopilotOperations,
  RaftJoinRequest,
  Whereabouts,
  RaftOperations,
  RaftStatusOperations,
  RaftStatusReport,
  StorageTrouble,
} from '@coffer/core-system';
import { RequestError } from '@coffer/sdk';
import type { AutopilotSettings, AutopilotState } from '@coffer/storage';
import { told } from './cluster-errors.ts';
import { ClusterRecords } from './cluster-records.ts';
import { ClusterSeeker } from './cluster-seeker.ts';
import { TLS_RECORD } from './cluster-tls.ts';
import type { AuthorityTimes } from './cluster-tls.ts';
import type { Gauge } from './metrics.ts';
import { autopilotGauges, raftGauges, statusReport, storageTrouble } from './raft-figures.ts';
import type { Restore } from './restoring.ts';

export interface ClusterMemberDeps {
  readonly raft: RaftNode;
  readonly retryJoin: readonly JoinSource[];
  /** Whether `retryJoin` is to make this node a member without a vote. */
  readonly joinsAsNonVoter: boolean;
  /** What this node tells the others of itself. */
  readonly traits: MemberTraits;
  readonly directories: Directories;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly authorityTimes: AuthorityTimes;
}

const DEFAULT_API_PORT = 8200;

/** How long a node that cannot read the restored state stays for the others, in milliseconds: at most, and beyond. */
const LEAVE_MS_MAX = 10_000;
const LEAVE_MS = 1000;
const LEAVE_LOOK_MS = 50;

/** A node's part in a raft cluster: founding it, joining it, taking part while unsealed. */
export class ClusterMember implements RaftOperations, RaftStatusOperations, AutopilotOperations {
  readonly #deps: ClusterMemberDeps;
  readonly #server: JoinServer;
  readonly #targets: JoinTargets;
  readonly #seeker: ClusterSeeker;
  readonly #finder: AddressFinder;
  #seal: ShamirSealManager | undefined;
  #records: ClusterRecords | undefined;

  constructor(deps: ClusterMemberDeps) {
    const { raft, clock, random, log, retryJoin, directories } = deps;
    this.#deps = deps;
    this.#server = new JoinServer(clock, random);
    this.#targets = new JoinTargets(retryJoin, directories, log);
    this.#seeker = new ClusterSeeker(deps, () => this.#seal);
    this.#finder = new AddressFinder(raft, this.#targets, { clock, log });
    raft.membership.introduce(deps.traits);
    // Until the cluster's records are read: a node that joins is judged by its zone and version from the first.
    raft.membership.echoing(() => ({ hostname: hostname(), trusts: [], signedBy: '' }));
  }

  get raft(): RaftNode {
    return this.#deps.raft;
  }

  get traits(): MemberTraits {
    return this.#deps.traits;
  }

  serveJoins(seal: ShamirSealManager): void {
    this.#seal = seal;
  }

  bootstrap(clusterId: string): Promise<void> {
    return this.#deps.raft.bootstrap(clusterId);
  }

  /** The authority of a new cluster, on its first node. */
  async createTls(barrier: AesGcmBarrier): Promise<void> {
    await ClusterRecords.found(this.#deps, barrier);
    this.#records = await ClusterRecords.open(this.#deps, barrier);
  }

  /** After unsealing: takes part. Does not wait for a leader, which other nodes may have to be unsealed for. */
  async connect(barrier: AesGcmBarrier): Promise<void> {
    this.#records = await ClusterRecords.open(this.#deps, barrier);
    await told(() => this.#deps.raft.connect(this.#tls()));
    this.#finder.start();
  }

  keepAuthority(barrier: AesGcmBarrier, state: StoredKeys | undefined, restore: Restore): Promise<unknown> {
    // What is kept is the newest until it is part of the other state.
    return this.#opened().withoutSuccession(async () => {
      const record = await barrier.get(TLS_RECORD);
      const kept = record && state && barrier.sealedFor(state, TLS_RECORD, record);
      await restore(kept ? [[TLS_RECORD, kept]] : []);
    });
  }

  /**
   * After a restore of another cluster's state, which this node cannot read: takes no further part, but not before the
   * others know that it took effect. They trust this node for as long as they hold the former state.
   */
  async leaveRestored(): Promise<void> {
    const { raft, clock } = this.#deps;
    const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
    const index = raft.appliedIndex();
    const untilMs = clock.monotonicMs() + LEAVE_MS_MAX;
    const isBehind = (): boolean => {
      const status = raft.status().raft;
      return (
        raft.state().role === 'active' &&
        (status?.progress ?? []).some(({ recentlyActive, match }) => recentlyActive && match < index)
      );
    };
    while (isBehind() && clock.monotonicMs() < untilMs) await pause(LEAVE_LOOK_MS);
    // That it is committed, they are told with the next heartbeats.
    if (raft.peers().length > 1) await pause(LEAVE_MS);
    await this.disconnect();
  }

  async disconnect(): Promise<void> {
    this.#finder.stop();
    this.#records?.close();
    this.#records = undefined;
    await this.#deps.raft.disconnect();
  }

  /** On a node without a cluster: looks for one to join until there is one, in the background. */
  startJoining(): void {
    if (this.#targets.none || this.#deps.raft.clusterId() !== undefined) return;
    this.#seeker.seek(this.#targets, this.#deps.joinsAsNonVoter);
  }

  stopJoining(): void {
    this.#seeker.stop();
  }

  /** Looks for the cluster named by an operator, or, on a member, for its peers there; see `RaftOperations.join`. */
  async join(request: RaftJoinRequest): Promise<{ readonly joined: boolean }> {
    const { raft, directories, log } = this.#deps;
    if (this.removed()) {
      throw new RequestError('bad-request', 'this node was removed from its cluster: wipe its storage folder first');
    }
    const targets = await told(() => Promise.resolve(new JoinTargets([sourceOf(request)], directories, log)));
    if (raft.clusterId() !== undefined) {
      if (raft.health().leaderKnown) this.#refuseStranger(request);
      else await told(() => this.#finder.follow(targets, request.retry));
    } else if (request.retry) this.#seeker.seek(targets, request.nonVoter);
    else await told(() => this.#seeker.find(targets, request.nonVoter));
    return { joined: true };
  }

  /**
   * With a leader there is nobody to look for. Joins need no token: nobody is asked whom just anybody can name.
   *
   * @throws RequestError `bad-request` unless a member is named, so that a join can be repeated
   */
  #refuseStranger({ leaderApiAddress }: RaftJoinRequest): void {
    if (this.#deps.raft.peers().some(({ apiAddress }) => sameOrigin(apiAddress, leaderApiAddress))) return;
    throw new RequestError(
      'bad-request',
      'this node belongs to a cluster already and knows its leader: only addresses of its members are taken',
    );
  }

  removed(): boolean {
    return this.#deps.raft.health().removed;
  }

  onRemoved(listener: () => void): void {
    this.#deps.raft.onRemoved(listener);
  }

  configuration(): { readonly index: number; readonly servers: readonly PeerInfo[] } {
    const { raft } = this.#deps;
    return { index: raft.appliedIndex(), servers: raft.peers() };
  }

  whereabouts(): Whereabouts {
    const { raft } = this.#deps;
    const { nodeId, clusterAddress } = raft.self;
    const state = raft.state();
    const leader = state.role === 'standby' ? state.leader : undefined;
    return { nodeId, clusterAddress, clusterId: raft.clusterId() ?? '', ...(leader && { leader }) };
  }

  trouble(): StorageTrouble | undefined {
    return storageTrouble(this.#deps.raft.health());
  }

  clockSkewMs(): number {
    return this.#deps.raft.health().clockSkewMs;
  }

  gauges(): readonly Gauge[] {
    const { raft } = this.#deps;
    return [...raftGauges(raft.status(), raft.health()), ...autopilotGauges(raft.membership.autopilot())];
  }

  storageStatus(): RaftStatusReport {
    const { raft } = this.#deps;
    return statusReport(raft.self.nodeId, raft.status(), raft.health());
  }

  removePeer(serverId: string): Promise<void> {
    return told(() => this.#deps.raft.removePeer(serverId));
  }

  promotePeer(serverId: string): Promise<void> {
    return told(() => this.#deps.raft.membership.promote(serverId));
  }

  demotePeer(serverId: string): Promise<void> {
    return told(() => this.#deps.raft.membership.demote(serverId));
  }

  autopilotState(): AutopilotState | undefined {
    return this.#deps.raft.membership.autopilot();
  }

  autopilotSettings(): Promise<AutopilotSettings> {
    return this.#opened().autopilotSettings();
  }

  setAutopilot(change: Partial<AutopilotSettings>): Promise<void> {
    return this.#opened().setAutopilot(change);
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
    const clusterId = this.#deps.raft.clusterId();
    if (!sealer || clusterId === undefined) throw new RequestError('sealed');
    const tls = this.#tls();
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

  /** The other members, as far as known, each with its last echo. */
  standbys(): readonly { readonly peer: PeerInfo; readonly echo: Echo | undefined }[] {
    const { self, membership } = this.#deps.raft;
    const echoes = membership.echoes();
    const others = this.#deps.raft.peers().filter((peer) => peer.nodeId !== self.nodeId);
    return others.map((peer) => ({ peer, echo: echoes.get(peer.nodeId) }));
  }

  indexes(): { readonly committedIndex?: number; readonly appliedIndex?: number } {
    const { raft } = this.#deps;
    const committedIndex = raft.status().raft?.commit;
    return { ...(committedIndex === undefined ? {} : { committedIndex }), appliedIndex: raft.appliedIndex() };
  }

  #tls(): ClusterRecords['tls'] {
    return this.#opened().tls;
  }

  #opened(): ClusterRecords {
    if (this.#records === undefined) throw new RequestError('sealed');
    return this.#records;
  }
}

/** @throws JoinError `malformed` for what `auto_join` cannot be */
function sourceOf(request: RaftJoinRequest): JoinSource {
  const tls: Omit<JoinTarget, 'leaderApiAddress'> = {
    ...(request.caCertificate === undefined ? {} : { caCertificate: request.caCertificate }),
    ...(request.clientCertificate === undefined ? {} : { clientCertificate: request.clientCertificate }),
    ...(request.clientKey === undefined ? {} : { clientKey: request.clientKey }),
    ...(request.tlsServerName === undefined ? {} : { tlsServerName: request.tlsServerName }),
  };
  if (request.autoJoin === undefined) {
    return { kind: 'address', target: { ...tls, leaderApiAddress: request.leaderApiAddress } };
  }
  const scheme = request.autoJoinScheme ?? 'https';
  if (scheme !== 'http' && scheme !== 'https') {
    throw new JoinError('malformed', 'auto_join_scheme: expected http or https');
  }
  const port = request.autoJoinPort ?? DEFAULT_API_PORT;
  const discover = parseDiscovery(request.autoJoin);
  refuseLocalSettings(discover);
  return { kind: 'discover', discover, scheme, port, target: tls };
}
