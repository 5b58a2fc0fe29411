import type { Outcome, Rendered } from './outcome.ts';
import type { ErrorCode, Request, Response, TokenAuth } from '@coffer/sdk';

/** HTTP forbids a body with these. */
const STATUS_WITHOUT_BODY: ReadonlySet<number> = new Set([204, 304]);

const JSON_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-type': 'application/json',
});

/** 503 that ends by itself, and soon; a sealed node waits for people. */
const WORTH_A_RETRY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['standby', 'in-doubt']);

/** Puts an outcome into Vault's envelope. */
export function render(request: Request, outcome: Outcome): Rendered {
  switch (outcome.kind) {
    case 'relayed':
      return outcome.rendered;
    case 'failed': {
      const { error } = outcome;
      // Vault's handlers of PATCH answer "not there" without a body.
      if (request.operation === 'patch' && error.code === 'not-found' && error.clientTexts.length === 0) {
        return { status: error.status, headers: JSON_HEADERS, body: undefined };
      }
      const body = { errors: error.clientTexts, ...(error.data === undefined ? {} : { data: error.data }) };
      const retryAfterSeconds = error.retryAfterSeconds ?? (WORTH_A_RETRY.has(error.code) ? 1 : undefined);
      const headers =
        retryAfterSeconds === undefined ? JSON_HEADERS : { ...JSON_HEADERS, 'retry-after': String(retryAfterSeconds) };
      return { status: error.status, headers, body: `${JSON.stringify(body)}\n` };
    }
    case 'answered':
      return renderAnswer(request, outcome);
  }
}

function renderAnswer(request: Request, outcome: Outcome & { readonly kind: 'answered' }): Rendered {
  const { response } = outcome;
  if (response?.raw) {
    const { raw } = response;
    return {
      status: raw.status,
      headers: { 'cache-control': 'no-store', 'content-type': raw.contentType, ...raw.headers },
      body: raw.body,
    };
  }
  if (isEmpty(outcome)) {
    if (request.operation !== 'read' && request.operation !== 'list' && request.operation !== 'scan') {
      return { status: response?.status ?? 204, headers: headersOf(response), body: undefined };
    }
    if (outcome.warnings.length === 0) return { status: 404, headers: JSON_HEADERS, body: '{"errors":[]}\n' };
    return {
      status: 404,
      headers: JSON_HEADERS,
      body: `${JSON.stringify({ errors: [], warnings: outcome.warnings })}\n`,
    };
  }
  const status = response?.status ?? 200;
  if (STATUS_WITHOUT_BODY.has(status)) return { status, headers: headersOf(response), body: undefined };
  if (response?.bare) return { status, headers: headersOf(response), body: `${JSON.stringify(response.data)}\n` };
  return { status, headers: headersOf(response), body: envelope(request, outcome) };
}

/** Whether there is nothing to tell: then the status alone says so. */
function isEmpty({ response, auth, warnings }: Outcome & { readonly kind: 'answered' }): boolean {
  if (auth) return false;
  if (!response) return warnings.length === 0;
  return (
    response.data === undefined &&
    response.wrapInfo === undefined &&
    response.lease === undefined &&
    response.redirect === undefined &&
    warnings.length === 0 &&
    response.status === undefined
  );
}

function headersOf(response: Response | undefined): Readonly<Record<string, string>> {
  return response?.headers ? { ...JSON_HEADERS, ...response.headers } : JSON_HEADERS;
}

/** The members in Vault's order; written by hand around `data`, which is what takes the time. */
function envelope(request: Request, outcome: Outcome & { readonly kind: 'answered' }): string {
  const { response, auth, warnings } = outcome;
  const wrap = response?.wrapInfo;
  const lease = response?.lease;
  const data = response?.data === undefined ? 'null' : JSON.stringify(response.data);
  const top = response?.alsoAtTopLevel && response.data ? atTopLevel(response.data) : '';
  return (
    `{"request_id":"${request.id}"` +
    `,"lease_id":${JSON.stringify(lease?.id ?? '')}` +
    `,"renewable":${String(lease?.renewable ?? false)}` +
    `,"lease_duration":${String(lease?.durationSeconds ?? 0)}` +
    `,"data":${data}` +
    `,"wrap_info":${wrap ? JSON.stringify(describeWrap(wrap)) : 'null'}` +
    `,"warnings":${warnings.length > 0 ? JSON.stringify(warnings) : 'null'}` +
    `,"auth":${auth ? JSON.stringify(describeAuth(auth)) : 'null'}` +
    `,"mount_type":${JSON.stringify(outcome.mountType)}` +
    `${top === '' ? '' : `,${top}`}}\n`
  );
}

const ENVELOPE: readonly string[] = [
  'request_id',
  'lease_id',
  'renewable',
  'lease_duration',
  'data',
  'wrap_info',
  'warnings',
  'auth',
  'mount_type',
];

/** The members of the data, but for those that are named as a member of the envelope: that one stays what it is. */
function atTopLevel(data: Readonly<Record<string, unknown>>): string {
  const members = ENVELOPE.some((name) => Object.hasOwn(data, name))
    ? Object.fromEntries(Object.entries(data).filter(([name]) => !ENVELOPE.includes(name)))
    : data;
  return JSON.stringify(members).slice(1, -1);
}

function describeWrap(wrap: NonNullable<Response['wrapInfo']>): Record<string, unknown> {
  return {
    token: wrap.token,
    accessor: wrap.accessor,
    ttl: wrap.ttlSeconds,
    creation_time: wrap.creationTime,
    creation_path: wrap.creationPath,
    ...(wrap.wrappedAccessor ? { wrapped_accessor: wrap.wrappedAccessor } : {}),
  };
}

/** A token as `auth` of an answer. */
export function describeAuth(auth: TokenAuth): Record<string, unknown> {
  return {
    client_token: auth.clientToken,
    accessor: auth.accessor,
    policies: auth.policies,
    token_policies: auth.tokenPolicies,
    ...(auth.identityPolicies && auth.identityPolicies.length > 0 ? { identity_policies: auth.identityPolicies } : {}),
    metadata: auth.metadata,
    lease_duration: auth.ttlSeconds,
    renewable: auth.renewable,
    entity_id: auth.entityId,
    token_type: auth.tokenType,
    orphan: auth.orphan,
    mfa_requirement: null,
    num_uses: auth.numUses,
  };
}
