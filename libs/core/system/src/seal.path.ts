import { Secret } from '@coffer/kernel';
import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import type { SealStatus } from '@coffer/barrier';
import type { NodeOperations } from './node-operations.ts';

/** As `sys/seal-status` and `sys/unseal` show it. */
export function sealStatusData(node: NodeOperations, status: SealStatus): Record<string, unknown> {
  const identity = status.sealed ? undefined : node.clusterIdentity();
  const removed = node.removedFromCluster();
  return {
    type: status.type,
    initialized: status.initialized,
    sealed: status.sealed,
    t: status.threshold,
    n: status.shares,
    progress: status.progress,
    nonce: status.nonce,
    version: node.version,
    build_date: node.buildDate,
    commit_date: node.buildDate,
    migration: false,
    ...(identity ? { cluster_name: identity.name, cluster_id: identity.id } : {}),
    ...(removed === undefined ? {} : { removed_from_cluster: removed }),
    recovery_seal: status.recoverySeal,
    storage_type: node.storageType,
  };
}

/** A share in hex or base64, as clients send either. @throws RequestError */
export function decodeShare(text: string): Secret<Uint8Array> {
  if (/^(?:[0-9a-fA-F]{2})+$/.test(text)) return new Secret(new Uint8Array(Buffer.from(text, 'hex')));
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return new Secret(new Uint8Array(Buffer.from(text, 'base64')));
  throw badRequest("'key' must be a valid hex or base64 string");
}

/** Recovery keys are for seals that unseal by themselves. @throws RequestError */
function refuseRecovery(sent: {
  readonly recovery_shares: number | undefined;
  readonly recovery_threshold: number | undefined;
  readonly recovery_pgp_keys: readonly string[] | undefined;
}): void {
  const names = ['recovery_shares', 'recovery_threshold', 'recovery_pgp_keys'] as const;
  const asked = names.filter((name) => {
    const value = sent[name];
    return typeof value === 'number' ? value !== 0 : value !== undefined && value.length > 0;
  });
  if (asked.length > 0) throw badRequest(`parameters ${asked.join(',')} not applicable to seal type shamir`);
}

/** `sys/init`, `sys/unseal`, `sys/seal`, `sys/step-down`. */
export function sealPaths(node: NodeOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('init', {
      fields: {
        secret_shares: field.int('Number of shares to split the unseal key into.', { default: 0 }),
        secret_threshold: field.int('Number of shares that unseal.', { default: 0 }),
        pgp_keys: field.commaStrings('A PGP public key for each share.'),
        root_token_pgp_key: field.string('A PGP public key for the root token.'),
        stored_shares: field.int('Shares kept by the seal; for seals that keep some.'),
        recovery_shares: field.int('Number of recovery shares; for seals that unseal by themselves.'),
        recovery_threshold: field.int('Number of recovery shares that are needed.'),
        recovery_pgp_keys: field.commaStrings('A PGP public key for each recovery share.'),
      },
      help: { synopsis: 'Initialises a new cluster, or tells whether it is initialised.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      auditPublicFields: ['secret_shares', 'secret_threshold'],
      read: {
        summary: 'Whether the cluster is initialised',
        runs: 'local',
        handler: async () => ({ bare: true, data: { initialized: (await node.sealStatus()).initialized } }),
      },
      update: {
        summary: 'Initialise',
        runs: 'local',
        handler: async (_: unknown, fields): Promise<Response> => {
          refuseRecovery(fields);
          const made = await node.initialize({
            secretShares: fields.secret_shares,
            secretThreshold: fields.secret_threshold,
            ...(fields.pgp_keys && fields.pgp_keys.length > 0 ? { pgpKeys: fields.pgp_keys } : {}),
            ...(fields.root_token_pgp_key ? { rootTokenPgpKey: fields.root_token_pgp_key } : {}),
          });
          return { bare: true, data: { keys: made.keys, keys_base64: made.keysBase64, root_token: made.rootToken } };
        },
      },
    }),
    definePath('unseal', {
      fields: {
        key: field.string('One share of the unseal key, in hex or base64.', { secret: true }),
        reset: field.bool('Forget the shares given so far.', { default: false }),
        migrate: field.bool('Part of a seal migration.', { default: false }),
      },
      help: { synopsis: 'Gives a share of the unseal key to this node.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      update: {
        summary: 'Give a share',
        runs: 'local',
        handler: async (_: unknown, fields): Promise<Response> => {
          const before = await node.sealStatus();
          if (fields.reset) {
            if (!before.sealed) throw badRequest('vault is unsealed');
            return { bare: true, data: sealStatusData(node, await node.resetUnseal()) };
          }
          if (fields.migrate) throw badRequest("can't perform a seal migration, no migration seal found");
          if (!fields.key) throw badRequest("'key' must be specified in request body as JSON, or 'reset' set to true");
          const share = decodeShare(fields.key);
          const after = before.sealed || !before.initialized ? await node.unseal(share) : before;
          return { bare: true, data: sealStatusData(node, after) };
        },
      },
    }),
    definePath('seal', {
      fields: {},
      help: { synopsis: 'Seals this node: it forgets its keys.' },
      sudo: true,
      doneWhileSealed: true,
      update: {
        summary: 'Seal',
        runs: 'local',
        handler: async () => {
          await node.seal();
          return undefined;
        },
      },
    }),
    definePath('step-down', {
      fields: {},
      help: { synopsis: 'Makes the active node hand over to a standby.' },
      sudo: true,
      doneWhileSealed: true,
      update: {
        summary: 'Step down',
        runs: 'active',
        handler: async () => {
          await node.stepDown();
          return undefined;
        },
      },
    }),
  ];
}
