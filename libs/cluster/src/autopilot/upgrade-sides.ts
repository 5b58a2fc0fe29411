import { compareVersions } from '@coffer/kernel';
import { isAvailable, type AutopilotView, type JudgedServer } from './autopilot-view.ts';

/** Members by version, where not all have the same. */
export interface UpgradeSides {
  /** The newest version that a member has that may vote. */
  readonly version: string;
  readonly target: readonly JudgedServer[];
  readonly other: readonly JudgedServer[];
  /** Whether there are enough of the newest version to take the votes over. */
  readonly ready: boolean;
}

/** The version by which a member counts: the one that was set for it, else its program's; undefined until it told. */
export const upgradeVersionOf = ({ traits }: JudgedServer): string | undefined =>
  traits && (traits.upgradeVersion ?? traits.version);

/** The newest version of those members that may vote; undefined where none has told. */
export function newestVersion(servers: readonly JudgedServer[]): string | undefined {
  const versions = servers.filter(({ eligible }) => eligible).map(upgradeVersionOf);
  return versions.reduce(
    (newest, version) =>
      version !== undefined && (newest === undefined || compareVersions(version, newest) > 0) ? version : newest,
    undefined,
  );
}

/** Whether a member told that it has this version. */
export const isOfVersion = (server: JudgedServer, version: string): boolean => {
  const own = upgradeVersionOf(server);
  return own !== undefined && compareVersions(own, version) === 0;
};

/** Undefined where all who may vote have one version, as far as they told. Who has not told is on no side. */
export function upgradeSides(view: AutopilotView): UpgradeSides | undefined {
  const version = newestVersion(view.servers);
  if (version === undefined) return undefined;
  const told = view.servers.filter((server) => server.eligible && server.traits !== undefined);
  const target = told.filter((server) => isOfVersion(server, version));
  const other = told.filter((server) => !isOfVersion(server, version));
  if (other.length === 0) return undefined;
  return { version, target, other, ready: isReady(view, target, other) };
}

/**
 * Whether those of the newest version can take over: one for each member of an older version without a zone, and one in
 * each zone in which a member of an older version could vote. Before the lead is with one of them only those count that
 * could vote now. After that all do, so that an illness of one does not turn back what is done.
 */
function isReady(view: AutopilotView, target: readonly JudgedServer[], other: readonly JudgedServer[]): boolean {
  const led = target.some(({ leader }) => leader);
  const counted = led ? target : target.filter((server) => isAvailable(view, server));
  const electable = other.filter((each) => isAvailable(view, each));
  const zones = new Set(electable.flatMap(({ traits }) => traits?.zone ?? []));
  const alone = other.filter(({ traits }) => traits?.zone === undefined).length;
  const hasZone = (zone: string): boolean => counted.some(({ traits }) => traits?.zone === zone);
  return counted.length >= Math.max(1, zones.size + alone) && [...zones].every(hasZone);
}
