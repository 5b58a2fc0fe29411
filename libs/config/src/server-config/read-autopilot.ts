import { isVersion } from '@coffer/kernel';
import type { BlockReader } from './reader.ts';

const ZONE_LENGTH_MAX = 128;

/** What is wrong with the name of a redundancy zone, if anything. Names go into lists that people read. */
export function redundancyZoneError(zone: string): string | undefined {
  if (zone.length <= ZONE_LENGTH_MAX && /^[\p{L}\p{N}](?:[\p{L}\p{N}_.:/ -]*[\p{L}\p{N}])?$/u.test(zone))
    return undefined;
  return `expected up to ${String(ZONE_LENGTH_MAX)} letters, digits, spaces and "_.:/-", a letter or digit at both ends`;
}

/** What is wrong with a version by which upgrades are to go, if anything. */
export function upgradeVersionError(version: string): string | undefined {
  return isVersion(version) ? undefined : 'expected a semantic version such as "1.2.3" or "1.2.3-blue.1"';
}

/** `autopilot_redundancy_zone` and `autopilot_upgrade_version`; an empty text is none. @throws ConfigError */
export function readAutopilot(reader: BlockReader): {
  readonly redundancyZone?: string;
  readonly upgradeVersion?: string;
} {
  const checked = (name: string, errorOf: (text: string) => string | undefined): string | undefined => {
    const text = reader.text(name);
    if (text === undefined || text === '') return undefined;
    const error = errorOf(text);
    if (error !== undefined) throw reader.error(reader.position(name), `${name}: ${error}`);
    return text;
  };
  const redundancyZone = checked('autopilot_redundancy_zone', redundancyZoneError);
  const upgradeVersion = checked('autopilot_upgrade_version', upgradeVersionError);
  return {
    ...(redundancyZone === undefined ? {} : { redundancyZone }),
    ...(upgradeVersion === undefined ? {} : { upgradeVersion }),
  };
}
