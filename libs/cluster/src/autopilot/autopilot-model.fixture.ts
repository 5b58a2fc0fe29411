import { AUTOPILOT_DEFAULTS, type AutopilotSettings, type AutopilotState } from '@coffer/storage';
import { reportOf } from './autopilot-report.ts';
import type { AutopilotView, JudgedServer } from './autopilot-view.ts';
import { nextAction, type AutopilotAction } from './next-action.ts';

/** A member of a model cluster: its name is `<zone><peer>`, or `n<peer>` without a zone. */
export interface ModelServer {
  readonly peer: number;
  readonly zone?: string;
  version?: string;
  /** Joined without a vote, for good. */
  readonly permanent?: boolean;
  voter: boolean;
  healthy: boolean;
  unheard?: boolean;
  /** It is well, and not close behind the leader at this moment. */
  lags?: boolean;
  sinceMs: number;
}

export const STABLE_MS = AUTOPILOT_DEFAULTS.serverStabilizationSeconds * 1000;
const LONG_AGO_MS = 10 * STABLE_MS;

/** A cluster that does at once what autopilot asks for; a test says who is well. */
export class AutopilotModel {
  settings: AutopilotSettings = AUTOPILOT_DEFAULTS;
  nowMs = LONG_AGO_MS;
  leadsSinceMs = 0;
  servers: ModelServer[];
  leader: number;

  constructor(servers: readonly (Partial<ModelServer> & { readonly peer: number })[]) {
    this.servers = servers.map((server) => ({ version: '1.0.0', voter: true, healthy: true, sinceMs: 0, ...server }));
    this.leader = this.servers.find(({ voter, healthy }) => voter && healthy)?.peer ?? 0;
  }

  view(): AutopilotView {
    const { settings, nowMs, leadsSinceMs } = this;
    return {
      settings,
      servers: this.servers.map((server) => this.#judged(server)),
      nowMs,
      leadsSinceMs,
      founding: false,
    };
  }

  next(): AutopilotAction | undefined {
    return nextAction(this.view());
  }

  /** As `kind name`, for short. */
  nextText(): string | undefined {
    const action = this.next();
    return action && `${action.kind} ${action.server.member.nodeId}`;
  }

  report(): AutopilotState {
    return reportOf(this.view(), () => 0);
  }

  of(peer: number): ModelServer {
    const found = this.servers.find((server) => server.peer === peer);
    if (found === undefined) throw new Error(`no server ${peer}`);
    return found;
  }

  add(server: Partial<ModelServer> & { readonly peer: number }): void {
    this.servers.push({ version: '1.0.0', voter: false, healthy: true, sinceMs: this.nowMs, ...server });
  }

  become(peer: number, healthy: boolean): void {
    const server = this.of(peer);
    if (server.healthy === healthy) return;
    server.healthy = healthy;
    server.sinceMs = this.nowMs;
    if (!healthy && this.leader === peer) this.elect();
  }

  /** Another healthy voter leads; it has heard nobody yet, and knows nothing of how long anyone is well. */
  elect(): void {
    for (const server of this.servers) server.unheard = true;
    this.leader = this.servers.find(({ voter, healthy, peer }) => voter && healthy && peer !== this.leader)?.peer ?? 0;
    this.leadsSinceMs = this.nowMs;
    for (const server of this.servers) server.sinceMs = this.nowMs;
    const leader = this.servers.find(({ peer }) => peer === this.leader);
    if (leader !== undefined) leader.unheard = false;
  }

  /** Who is well has answered, and follows closely; who is not has been silent for too long. */
  hear(): void {
    for (const server of this.servers) Object.assign(server, { unheard: false, lags: false });
  }

  get hasQuorum(): boolean {
    const voters = this.servers.filter(({ voter }) => voter);
    return voters.filter(({ healthy }) => healthy).length > voters.length / 2;
  }

  do({ kind, server }: AutopilotAction): void {
    const { peer } = server.member;
    if (kind === 'transfer') this.leader = peer;
    else if (kind === 'remove') this.servers = this.servers.filter((each) => each.peer !== peer);
    else this.of(peer).voter = kind === 'promote';
  }

  /** Does what is asked for until nothing is. @returns it, as texts @throws where there is no end to it */
  settle(check: (action: AutopilotAction) => void = () => undefined): string[] {
    const done: string[] = [];
    for (let action = this.next(); action !== undefined; action = this.next()) {
      check(action);
      done.push(`${action.kind} ${action.server.member.nodeId}`);
      if (done.length > 4 * this.servers.length) throw new Error(`no end: ${done.join(', ')}`);
      this.do(action);
    }
    return done;
  }

  voters(): string[] {
    return this.servers.filter(({ voter }) => voter).map(nameOf);
  }

  #judged(server: ModelServer): JudgedServer {
    const { peer, zone, version, permanent = false, voter, healthy, unheard = false, lags = false, sinceMs } = server;
    const nodeId = nameOf(server);
    return {
      member: { peer, nodeId, apiAddress: '', clusterAddress: `https://${nodeId}:8201`, promote: !voter && !permanent },
      leader: peer === this.leader,
      voter,
      eligible: voter || !permanent,
      silentMs: healthy || unheard ? 0 : this.nowMs - sinceMs,
      lastTerm: 1,
      lastIndex: unheard ? 0 : 1,
      healthy: healthy && !unheard,
      unheard,
      dead: false,
      caughtUp: healthy && !unheard && !lags,
      sinceMs,
      ...(version === undefined ? {} : { traits: { version, ...(zone === undefined ? {} : { zone }) } }),
    };
  }
}

const nameOf = ({ peer, zone }: ModelServer): string => `${zone ?? 'n'}${peer}`;
