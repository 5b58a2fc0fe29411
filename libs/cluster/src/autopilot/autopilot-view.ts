import type { AutopilotSettings } from '@coffer/storage';
import type { ServerHealth } from './server-health.ts';

/** A member, and for how long it has been as it is. */
export interface JudgedServer extends ServerHealth {
  /** Since when it is as healthy as it is: milliseconds of the clock that `AutopilotView.nowMs` is of. */
  readonly sinceMs: number;
}

/** All that autopilot decides by: the same view gives the same decision. */
export interface AutopilotView {
  readonly settings: AutopilotSettings;
  readonly servers: readonly JudgedServer[];
  /** Monotonic, in milliseconds. */
  readonly nowMs: number;
  /** Since when this leader leads. */
  readonly leadsSinceMs: number;
  /** The cluster is being built: nobody waits for a vote. */
  readonly founding: boolean;
}

/** A leader that leads for less than this many stabilisation times has not seen enough to make anyone wait (as Vault). */
const WATCHED_TIMES = 1.1;
/** A healthy member is waited for so long to tell its zone and version, before it counts as one that has none to tell. */
const WORD_MS_MAX = 5000;

/** Whether a member may have a vote now: one that has a vote keeps it while it is well, others must have proved stable. */
export function isAvailable(view: AutopilotView, server: JudgedServer): boolean {
  if (!server.eligible) return false;
  if (server.voter) return server.healthy || server.unheard;
  return server.healthy && server.caughtUp && isStable(view, server);
}

function isStable({ settings, nowMs, leadsSinceMs, founding }: AutopilotView, server: JudgedServer): boolean {
  const waitMs = settings.serverStabilizationSeconds * 1000;
  if (founding || nowMs - leadsSinceMs < waitMs * WATCHED_TIMES) return true;
  return nowMs - server.sinceMs >= waitMs;
}

/** Whether somebody is about to tell its zone and version: nothing is decided without it then. */
export function awaitsWord({ servers, nowMs }: AutopilotView): boolean {
  if (servers.every(({ traits }) => traits === undefined)) return false;
  return servers.some(
    ({ traits, eligible, healthy, sinceMs }) =>
      traits === undefined && eligible && healthy && nowMs - sinceMs < WORD_MS_MAX,
  );
}

/** The zone that a member votes for; one without a zone votes for itself. */
export function zoneOrSelf({ traits, member }: ServerHealth): string | number {
  return traits?.zone ?? member.peer;
}
