import { isPromise } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { AuditEvent } from '@coffer/core-api';
import type { CoreServices } from '../node-status.ts';
import type { Outcome } from '../outcome.ts';
import type { Run } from '../run.ts';

function eventOf(run: Run): AuditEvent {
  const mount = run.route?.mount.entry;
  // A secret field is hashed, whatever the mount is tuned to.
  const fields = run.path?.fields;
  const isShown = (key: string): boolean => !(fields && Object.hasOwn(fields, key) && fields[key]?.secret);
  return {
    request: run.request,
    operation: run.operation,
    publicRequestKeys: [
      ...(run.path?.auditPublicFields ?? []),
      ...(mount?.tuning.auditNonHmacRequestKeys ?? []),
    ].filter(isShown),
    publicResponseKeys: (mount?.tuning.auditNonHmacResponseKeys ?? []).filter(isShown),
    atMs: run.nowMs,
    ...(mount ? { mount } : {}),
    ...(run.token ? { token: run.token } : {}),
    ...(run.decision ? { decision: run.decision } : {}),
  };
}

/** No device writes it: the request is not served. @throws RequestError `audit-failed` */
export function auditRequest(run: Run, services: CoreServices, error?: RequestError): MaybePromise<void> {
  if (!services.audit.enabled) return;
  const event = eventOf(run);
  return guarded(services.audit.request(error ? { ...event, error: textOf(error) } : event));
}

/** @throws RequestError `audit-failed` */
export function auditResponse(run: Run, services: CoreServices | undefined, outcome: Outcome): MaybePromise<void> {
  if (!services?.audit.enabled || outcome.kind === 'relayed') return;
  const event = eventOf(run);
  if (outcome.kind === 'failed') return guarded(services.audit.response({ ...event, error: textOf(outcome.error) }));
  const { response, auth } = outcome;
  return guarded(services.audit.response({ ...event, ...(response ? { response } : {}), ...(auth ? { auth } : {}) }));
}

function textOf(error: RequestError): string {
  return error.clientTexts.join('; ') || error.code;
}

function guarded(written: MaybePromise<void>): MaybePromise<void> {
  if (!isPromise(written)) return;
  return written.catch((cause: unknown) => {
    throw new RequestError('audit-failed', undefined, { cause });
  });
}
