import { badRequest, coerce, field } from '@coffer/sdk';
import type { KeyRecord, Kv2Config } from './records.ts';

const casField = field.int('The version that is expected to be the current one.');

/**
 * Refuses a write whose `cas` does not name the current version. Judged in the write's own transaction.
 *
 * @throws RequestError `bad-request`
 */
export function checkAndSet(
  options: Readonly<Record<string, unknown>> | undefined,
  config: Kv2Config,
  key: KeyRecord | undefined,
): void {
  const sent = options && Object.hasOwn(options, 'cas') ? options.cas : undefined;
  if (sent === undefined) {
    if (config.casRequired || key?.casRequired) throw badRequest('check-and-set parameter required for this call');
    return;
  }
  let expected: unknown;
  try {
    expected = coerce('cas', casField, sent);
  } catch {
    throw badRequest('error parsing check-and-set parameter');
  }
  if (expected !== (key?.currentVersion ?? 0))
    throw badRequest('check-and-set parameter did not match the current version');
}

/** The same for metadata. @throws RequestError `bad-request` */
export function checkAndSetMetadata(sent: number | undefined, config: Kv2Config, key: KeyRecord | undefined): void {
  if (sent === undefined) {
    if (config.metadataCasRequired || key?.metadataCasRequired)
      throw badRequest('metadata check-and-set parameter required for this call');
    return;
  }
  if (!key) {
    if (sent !== 0) throw badRequest('metadata_cas must be 0 when creating new metadata');
    return;
  }
  if (sent !== key.metadataVersion)
    throw badRequest('metadata check-and-set parameter does not match the current version');
}
