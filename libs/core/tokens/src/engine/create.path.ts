import { parseDurationSeconds, withoutEndSlashes } from '@coffer/kernel';
import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { FieldValues, PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext, decideTtl } from '@coffer/core-api';
import type { NewToken, TokenEntry } from '@coffer/core-api';
import { authOf } from '../token-auth.ts';
import { callerOf, hasSudo } from './caller.ts';
import type { TokenEngineDeps } from './deps.ts';
import { matchesGlob, roles } from './role.ts';
import type { TokenRole } from './role.ts';
import { policiesForToken } from './token-policies.ts';

const createFields = {
  id: field.string('The token itself; only root and sudo may choose it.', { default: '', secret: true }),
  policies: field.strings('Policies of the token; those of the caller if left out.', { default: [] }),
  meta: field.keyValues('Metadata, shown in the audit log.'),
  no_parent: field.bool('Makes a token without a parent.', { default: false }),
  no_default_policy: field.bool("Leaves the 'default' policy out.", { default: false }),
  display_name: field.string('Shown in the audit log.', { default: '' }),
  num_uses: field.int('How often it may be used; 0 is without limit.', { default: 0 }),
  ttl: field.string('How long it lives at first.', { default: '' }),
  lease: field.string('Older name of ttl.', { default: '', deprecated: true }),
  explicit_max_ttl: field.string('A hard limit on how long it lives.', { default: '' }),
  period: field.string('Makes it periodic: each renewal sets it to this TTL.', { default: '' }),
  renewable: field.bool('Whether it may be renewed.', { default: true }),
  type: field.string("'service' or 'batch'.", { default: '' }),
  entity_alias: field.string('Name of an alias whose entity the token belongs to; with a role only.', { default: '' }),
};
type CreateFields = FieldValues<typeof createFields>;

interface Wish {
  readonly sent: CreateFields;
  readonly context: RequestContext;
  readonly parent: TokenEntry;
  readonly sudo: boolean;
  readonly role: TokenRole | undefined;
  readonly roleName: string;
  /** The path itself makes orphans. */
  readonly orphanPath: boolean;
}

/** @throws RequestError `bad-request` in Vault's words */
function seconds(text: string, name: string): number {
  const value = parseDurationSeconds(text);
  if (value === undefined) throw badRequest(`time: invalid duration "${text}"`);
  if (value < 0) throw badRequest(`${name} must be positive`);
  return value;
}

function tokenType({ sent, role }: Wish): 'service' | 'batch' {
  const { type } = role?.parameters ?? { type: 'default' };
  if (type === 'service' || type === 'batch') return type;
  const asked = sent.type === '' && type === 'default-batch' ? 'batch' : sent.type;
  if (asked === 'batch') return 'batch';
  if (asked === '' || asked === 'service') return 'service';
  throw badRequest("invalid 'token_type' value");
}

function refuseForBatch(sent: CreateFields): void {
  const refuse = (name: string): never => {
    throw badRequest(`batch tokens cannot have "${name}" set`);
  };
  if (sent.explicit_max_ttl !== '' && seconds(sent.explicit_max_ttl, 'explicit_max_ttl') !== 0)
    refuse('explicit_max_ttl');
  if (sent.num_uses !== 0) refuse('num_uses');
  if (sent.period !== '' && seconds(sent.period, 'period') !== 0) refuse('period');
}

function refuseId(id: string): void {
  if (/^(hv)?[sbr]\./.test(id)) throw badRequest(`custom token ID cannot have the '${id.split('.')[0] ?? ''}.' prefix`);
  if (id.includes('.')) throw badRequest("custom token ID cannot have a '.' in the value");
}

function fewestUses(asked: number, role: TokenRole | undefined): number {
  const limit = role?.parameters.numUses ?? 0;
  if (limit === 0) return asked;
  return asked === 0 ? limit : Math.min(asked, limit);
}

/** The smaller of what was asked for and what the role says, if both are set. */
function smaller(asked: number, ofRole: number, what: string, warn: (text: string) => void): number {
  if (ofRole === 0) return asked;
  if (asked === 0) return ofRole;
  const value = Math.min(asked, ofRole);
  warn(`${what} specified both during creation call and in role; using the lesser value of ${String(value)} seconds`);
  return value;
}

/** What a role adds counts for the TTL and is asked for again at each renewal: the token keeps its own terms only. */
interface Terms {
  readonly ttlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
}

function termsOf({ sent, role, sudo, context }: Wish, batch: boolean, root: boolean): Terms {
  const warn = (text: string): void => context.warn(text);
  const own = {
    explicitMaxTtlSeconds: sent.explicit_max_ttl === '' ? 0 : seconds(sent.explicit_max_ttl, 'explicit_max_ttl'),
    periodSeconds: sent.period === '' ? 0 : seconds(sent.period, 'period'),
  };
  let { explicitMaxTtlSeconds, periodSeconds } = own;
  if (periodSeconds > 0 && !sudo) throw badRequest('root or sudo privileges required to create periodic token');
  const wanted = sent.ttl !== '' ? seconds(sent.ttl, 'ttl') : sent.lease !== '' ? seconds(sent.lease, 'lease') : 0;
  if (role && !batch) {
    const { parameters } = role;
    explicitMaxTtlSeconds = smaller(explicitMaxTtlSeconds, parameters.explicitMaxTtlSeconds, 'Explicit max TTL', warn);
    periodSeconds = smaller(periodSeconds, parameters.periodSeconds, 'Period', warn);
  }
  // Only root tokens may be without end.
  if (root && wanted === 0 && periodSeconds === 0) return { ...own, ttlSeconds: explicitMaxTtlSeconds };
  const { system } = coreContext(context).mount.context;
  const decided = decideTtl({
    defaultTtlSeconds: system.defaultLeaseTtlSeconds(),
    maxTtlSeconds: system.maxLeaseTtlSeconds(),
    wantedTtlSeconds: wanted,
    periodSeconds,
    explicitMaxTtlSeconds,
    issuedMs: context.nowMs,
    nowMs: context.nowMs,
  });
  for (const warning of decided.warnings) warn(warning);
  if (decided.ttlSeconds === undefined) throw badRequest('the token would end at once');
  return { ...own, ttlSeconds: decided.ttlSeconds };
}

async function entityByAlias(deps: TokenEngineDeps, { sent, role, context }: Wish): Promise<string> {
  if (sent.entity_alias === '') return '';
  if (!role) throw badRequest("'entity_alias' is only allowed in combination with token role");
  const alias = sent.entity_alias.toLowerCase();
  if (!matchesGlob(role.allowedEntityAliases ?? [], alias)) throw badRequest("invalid 'entity_alias' value");
  const { transaction, mount } = coreContext(context);
  const { accessor, type } = mount.entry;
  const claim = { name: sent.entity_alias };
  return deps.identity().entityForLogin(transaction, accessor, type, claim, context.request.namespace);
}

function displayName(sent: string): string {
  return sent === '' ? 'token' : `token-${sent}`.replaceAll(/[^a-zA-Z0-9-]/g, '-').replace(/-$/, '');
}

function isOrphan({ sent, role, sudo, orphanPath }: Wish): boolean {
  if (role) return role.orphan;
  if (sent.no_parent) {
    if (!sudo) throw badRequest('root or sudo privileges required to create orphan token');
    return true;
  }
  return orphanPath;
}

/** The checks in the order of Vault, so that clients see the error they know. */
async function newToken(deps: TokenEngineDeps, wish: Wish): Promise<NewToken> {
  const { sent, context, parent, sudo, role } = wish;
  const type = tokenType(wish);
  const batch = type === 'batch';
  if (batch) refuseForBatch(sent);
  if (sent.num_uses < 0) throw badRequest('number of uses cannot be negative');
  const explicitEntity = await entityByAlias(deps, wish);
  if (sent.id !== '' && !sudo) throw badRequest('root or sudo privileges required to specify token id');
  const policies = policiesForToken({
    asked: sent.policies,
    noDefaultPolicy: sent.no_default_policy,
    inherited: parent.policies,
    sudo,
    role,
  });
  const root = policies.includes('root');
  if (root && !parent.policies.includes('root'))
    throw badRequest('root tokens may not be created without parent token being root');
  if (root && batch) throw badRequest('batch tokens cannot be root tokens');
  const orphan = isOrphan(wish);
  const terms = termsOf(wish, batch, root);
  if (terms.ttlSeconds === 0 && parent.expiresMs !== 0)
    throw badRequest('expiring root tokens cannot create non-expiring root tokens');
  const endless = terms.ttlSeconds === 0;
  const roleCidrs = role?.parameters.boundCidrs ?? [];
  const inheritedCidrs = orphan || role ? [] : parent.boundCidrs;
  const suffix = role && role.pathSuffix !== '' ? `/${role.pathSuffix}` : '';
  return {
    namespace: context.request.namespace,
    ...(orphan ? {} : { parent }),
    ...(sent.id !== '' && !batch ? { id: sent.id } : {}),
    policies,
    path: `auth/token/${withoutEndSlashes(context.relativePath)}${suffix}`,
    metadata: sent.meta ?? null,
    displayName: displayName(sent.display_name),
    type,
    ...terms,
    renewable: sent.renewable && (role?.renewable ?? true) && !batch && !endless,
    numUses: batch ? 0 : fewestUses(sent.num_uses, role),
    boundCidrs: endless ? [] : roleCidrs.length > 0 ? roleCidrs : inheritedCidrs,
    strictlyBindIp: false,
    role: wish.roleName,
    entityId: explicitEntity !== '' ? explicitEntity : orphan ? '' : parent.entityId,
  };
}

async function create(deps: TokenEngineDeps, wish: Omit<Wish, 'parent' | 'sudo'>): Promise<Response> {
  const { context, sent } = wish;
  const { transaction } = coreContext(context);
  const tokens = deps.tokens();
  const caller = callerOf(context);
  if (caller.type === 'batch') throw badRequest('batch tokens cannot create more tokens');
  // Read by the transaction: a parent that is revoked meanwhile makes it run again.
  const parent = await tokens.inTransaction(transaction, caller.saltedId);
  if (!parent) throw new RequestError('invalid-token');
  if (parent.numUses !== 0) throw badRequest('restricted use token cannot generate child tokens');
  const token = await newToken(deps, { ...wish, parent, sudo: hasSudo(context) });
  if (sent.id !== '') {
    context.warn('Supplying a custom ID for the token makes it only as hard to guess as that ID is.');
    if (token.id !== undefined) {
      refuseId(token.id);
      if (await tokens.isTaken(transaction, token.id)) throw badRequest('cannot create a token with a duplicate ID');
    }
  }
  const created = tokens.create(transaction, token);
  for (const name of token.policies) {
    if (name !== 'root' && !(await deps.policies().get(token.namespace, name)))
      context.warn(`Policy "${name}" does not exist`);
  }
  const { entityId } = created.entry;
  const identityPolicies = entityId === '' ? [] : await deps.identity().policiesOf(entityId, token.namespace);
  return { auth: authOf(created.entry, created.token.reveal(), token.ttlSeconds, identityPolicies) };
}

export function createPaths(deps: TokenEngineDeps): readonly PathDeclaration<null>[] {
  return [
    definePath('create', {
      fields: createFields,
      help: { synopsis: 'Makes a token, a child of the caller.' },
      update: {
        summary: 'Make a token',
        handler: (_: null, sent, context) =>
          create(deps, { sent, context, role: undefined, roleName: '', orphanPath: false }),
      },
    }),
    definePath('create-orphan', {
      fields: createFields,
      help: {
        synopsis: 'Makes a token without a parent.',
        description: 'Whose policy grants this path needs no sudo for it.',
      },
      update: {
        summary: 'Make an orphan token',
        handler: (_: null, sent, context) =>
          create(deps, { sent, context, role: undefined, roleName: '', orphanPath: true }),
      },
    }),
    definePath('create/:role_name', {
      fields: { ...createFields, role_name: field.name('Name of the role.') },
      help: { synopsis: 'Makes a token as a role allows.' },
      update: {
        summary: 'Make a token by a role',
        handler: async (_: null, sent, context): Promise<Response> => {
          const role = await roles.get(context.view, sent.role_name);
          if (!role) throw badRequest(`unknown role ${sent.role_name}`);
          return create(deps, { sent, context, role, roleName: sent.role_name, orphanPath: false });
        },
      },
    }),
  ];
}
