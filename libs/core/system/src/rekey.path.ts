import { badRequest, definePath, field } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { PathDeclaration, PathTraits, Response, StorageView } from '@coffer/sdk';
import { decodeShare } from './seal.path.ts';
import type { Rekey, RekeyRequest, RekeyResult, RekeyStatus } from './rekey.ts';

export interface RekeyPathDeps {
  readonly rekey: () => Rekey;
}

/** Below the system mount: the shares that PGP keys were given, as they were handed out. */
const BACKUP_KEY = 'unseal-keys-backup';

interface Backup {
  readonly nonce: string;
  readonly keys: Readonly<Record<string, readonly string[]>>;
  readonly keysBase64: Readonly<Record<string, readonly string[]>>;
}

const shareFields = {
  key: field.string('One share, in hex or base64.', { secret: true }),
  nonce: field.string('The nonce of the attempt.'),
};

const initFields = {
  secret_shares: field.int('Number of shares to split the key into.', { default: 0 }),
  secret_threshold: field.int('Number of shares that unseal.', { default: 0 }),
  pgp_keys: field.commaStrings('A PGP public key for each share.'),
  backup: field.bool('Whether to keep a copy of the shares, as encrypted for the PGP keys.', { default: false }),
  require_verification: field.bool('Whether the new shares count only after enough of them were given back.', {
    default: false,
  }),
};

function statusData(status: RekeyStatus): Record<string, unknown> {
  const { request } = status;
  if (!status.started || !request) return { started: false, t: 0, n: 0, required: status.required };
  return {
    started: true,
    nonce: status.nonce,
    t: request.threshold,
    n: request.shares,
    progress: status.progress,
    required: status.required,
    verification_required: request.requireVerification,
    verification_nonce: status.verificationNonce,
    ...(request.pgpKeys.length > 0 ? { pgp_fingerprints: status.pgpFingerprints, backup: request.backup } : {}),
  };
}

function resultData(result: RekeyResult): Record<string, unknown> {
  return {
    complete: true,
    nonce: result.nonce,
    keys: result.keys,
    keys_base64: result.keysBase64,
    ...(result.pgpFingerprints.length > 0 ? { pgp_fingerprints: result.pgpFingerprints } : {}),
    backup: result.backup,
    verification_required: result.verificationNonce !== '',
    ...(result.verificationNonce === '' ? {} : { verification_nonce: result.verificationNonce }),
    ...(result.outcomeUnknown ? { outcome_unknown: true } : {}),
  };
}

/** The same for the older paths: all members, whatever there is to tell. */
function olderStatusData(status: RekeyStatus): Record<string, unknown> {
  const { verification_nonce: nonce, ...told } = statusData(status);
  return {
    ...NOTHING_STARTED,
    ...told,
    ...(nonce === undefined || nonce === '' ? {} : { verification_nonce: nonce }),
  };
}

const NOTHING_STARTED = {
  nonce: '',
  progress: 0,
  pgp_fingerprints: null,
  backup: false,
  verification_required: false,
} as const;

/** How a family of paths answers. */
interface Shape {
  readonly bare?: true;
  readonly status: (status: RekeyStatus) => Record<string, unknown>;
  readonly result: (result: RekeyResult) => Record<string, unknown>;
  /** @throws RequestError for a request that this family refuses */
  readonly check: (request: RekeyRequest) => void;
}

const NEWER: Shape = { status: statusData, result: resultData, check: () => undefined };
const OLDER: Shape = {
  bare: true,
  status: olderStatusData,
  result: (result) => ({ pgp_fingerprints: null, ...resultData(result) }),
  check: ({ backup, pgpKeys }) => {
    if (backup && pgpKeys.length === 0)
      throw badRequest('cannot request a backup of the new keys without providing PGP keys for encryption');
  },
};

const answer = ({ bare }: Shape, data: Record<string, unknown>): Response => ({ ...(bare ? { bare } : {}), data });

function storeBackup(view: StorageView, result: RekeyResult): void {
  const byFingerprint = (texts: readonly string[]): Record<string, readonly string[]> => {
    const grouped = new Map<string, string[]>();
    result.pgpFingerprints.forEach((fingerprint, index) => {
      grouped.set(fingerprint, [...(grouped.get(fingerprint) ?? []), texts[index] ?? '']);
    });
    return Object.fromEntries(grouped);
  };
  view.putJson(BACKUP_KEY, {
    nonce: result.nonce,
    keys: byFingerprint(result.keys),
    keysBase64: byFingerprint(result.keysBase64),
  } satisfies Backup);
}

const UNKNOWN_OUTCOME =
  'The active node was lost while it changed the shares: keep these and the old ones until you know which of them unseal.';

/** The shares are in force and must be handed out, even if the copy could not be kept. */
async function backedUp(store: () => Promise<void>): Promise<readonly string[]> {
  try {
    await store();
    return [];
  } catch {
    return ['The copy of the encrypted shares could not be stored.'];
  }
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw badRequest(`missing required field '${name}'`);
  return value;
}

function initPath(pattern: string, deps: RekeyPathDeps, traits: object, shape: Shape): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: initFields,
    help: { synopsis: 'Begins, tells of, or cancels a change of the unseal key shares.' },
    ...traits,
    auditPublicFields: ['secret_shares', 'secret_threshold', 'require_verification'],
    read: {
      summary: 'How far the change is',
      runs: 'active',
      handler: async (): Promise<Response> => answer(shape, shape.status(await deps.rekey().status())),
    },
    update: {
      summary: 'Begin a change',
      handler: async (_: unknown, fields): Promise<Response> => {
        const request = {
          shares: fields.secret_shares,
          threshold: fields.secret_threshold,
          pgpKeys: fields.pgp_keys ?? [],
          backup: fields.backup,
          requireVerification: fields.require_verification,
        };
        shape.check(request);
        return answer(shape, shape.status(await deps.rekey().start(request)));
      },
    },
    delete: {
      summary: 'Cancel the change',
      handler: async (): Promise<undefined> => {
        await deps.rekey().cancel();
        return undefined;
      },
    },
  });
}

function updatePath(pattern: string, deps: RekeyPathDeps, traits: object, shape: Shape): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: shareFields,
    help: { synopsis: 'Gives a present share, to authorise the change.' },
    ...traits,
    answeredUnrecorded: true,
    update: {
      summary: 'Give a share',
      handler: (_: unknown, fields, context): Response => {
        const share = decodeShare(required('key', fields.key));
        const nonce = required('nonce', fields.nonce);
        const { transact } = coreContext(context).mount.context;
        // Once: a second run would find the attempt over, and the new shares would be lost.
        return {
          afterCommit: async () => {
            const result = await deps.rekey().give(nonce, share);
            if (!result) return answer(shape, shape.status(await deps.rekey().status()));
            const warnings = result.outcomeUnknown ? [UNKNOWN_OUTCOME] : [];
            if (result.backup && result.pgpFingerprints.length > 0)
              warnings.push(...(await backedUp(() => transact((view) => storeBackup(view, result)))));
            return { ...answer(shape, shape.result(result)), warnings };
          },
        };
      },
    },
  });
}

function verifyPath(pattern: string, deps: RekeyPathDeps, traits: object, shape: Shape): PathDeclaration<unknown> {
  const status = (): Record<string, unknown> => {
    const { nonce, started, threshold, shares, progress } = deps.rekey().verifyStatus();
    return { nonce, started, t: threshold, n: shares, progress };
  };
  return definePath(pattern, {
    fields: shareFields,
    help: { synopsis: 'Gives a new share back, to prove that it arrived.' },
    ...traits,
    read: { summary: 'How far the verification is', runs: 'active', handler: () => answer(shape, status()) },
    update: {
      summary: 'Give a new share',
      handler: (_: unknown, fields): Response => {
        const share = decodeShare(required('key', fields.key));
        const given = required('nonce', fields.nonce);
        return {
          afterCommit: async () => {
            const nonce = await deps.rekey().verify(given, share);
            return answer(shape, nonce === undefined ? status() : { complete: true, nonce });
          },
        };
      },
    },
    delete: {
      summary: 'Begin the verification anew',
      handler: async (): Promise<Response> => {
        await deps.rekey().restartVerification();
        return answer(shape, status());
      },
    },
  });
}

function backupPath(pattern: string, traits: object): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: {},
    help: { synopsis: 'The copy of the PGP-encrypted shares of the last change.' },
    ...traits,
    read: {
      summary: 'The copy',
      runs: 'active',
      handler: async (_: unknown, _fields, { view }): Promise<Response> => {
        const backup = await view.getJson<Backup>(BACKUP_KEY);
        if (!backup) throw badRequest('no backed-up keys found');
        return {
          alsoAtTopLevel: true,
          data: { nonce: backup.nonce, keys: backup.keys, keys_base64: backup.keysBase64 },
        };
      },
    },
    delete: {
      summary: 'Delete the copy',
      handler: (_: unknown, _fields, { view }): undefined => {
        view.delete(BACKUP_KEY);
        return undefined;
      },
    },
  });
}

/** A seal whose shares unseal has no recovery keys: these paths say so. */
function recoveryPath(pattern: string, traits: object): PathDeclaration<unknown> {
  const refuse = (): never => {
    throw badRequest('recovery keys not supported');
  };
  return definePath(pattern, {
    fields: { ...initFields, ...shareFields },
    help: { synopsis: 'Recovery keys, of seals that unseal by themselves.' },
    ...traits,
    read: { summary: 'How far the change is', runs: 'active', handler: refuse },
    update: { summary: 'Go on with the change', handler: refuse },
    delete: { summary: 'Cancel the change', handler: refuse },
  });
}

const OLD_TRAITS = {
  unauthenticated: true,
  openedBy: 'unauthenticated-rekey',
  hidden: true,
  neverWrapped: true,
} as const satisfies PathTraits;

/** `sys/rotate/root/…` (a token with `sudo`), `sys/rotate/recovery/…`, and `sys/rekey/…` where a listener opens it. */
export function rekeyPaths(deps: RekeyPathDeps): readonly PathDeclaration<unknown>[] {
  const sudo = { sudo: true } as const;
  return [
    initPath('rotate/root/init', deps, sudo, NEWER),
    updatePath('rotate/root/update', deps, sudo, NEWER),
    verifyPath('rotate/root/verify', deps, sudo, NEWER),
    backupPath('rotate/root/backup', sudo),
    ...['init', 'update', 'verify', 'backup'].map((step) => recoveryPath(`rotate/recovery/${step}`, sudo)),
    initPath('rekey/init', deps, OLD_TRAITS, OLDER),
    updatePath('rekey/update', deps, OLD_TRAITS, OLDER),
    verifyPath('rekey/verify', deps, OLD_TRAITS, OLDER),
    backupPath('rekey/backup', sudo),
    ...['init', 'update', 'verify'].map((step) => recoveryPath(`rekey-recovery-key/${step}`, OLD_TRAITS)),
  ];
}
