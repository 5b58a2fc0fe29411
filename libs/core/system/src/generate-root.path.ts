import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, PathTraits, Response } from '@coffer/sdk';
import type { Secret } from '@coffer/kernel';
import { decodeToken } from './generate-root.ts';
import type { GenerateRoot, GenerateRootStatus } from './generate-root.ts';
import { decodeShare } from './seal.path.ts';

export interface GenerateRootPathDeps {
  readonly generateRoot: () => GenerateRoot;
}

function statusData(status: GenerateRootStatus): Record<string, unknown> {
  return {
    started: status.started,
    progress: status.progress,
    required: status.required,
    complete: status.complete,
    otp: status.otp,
    otp_length: status.otpLength,
    ...(status.nonce === undefined ? {} : { nonce: status.nonce }),
    ...(status.pgpFingerprint === undefined ? {} : { pgp_fingerprint: status.pgpFingerprint }),
    ...(status.encodedToken === undefined
      ? {}
      : { encoded_token: status.encodedToken, encoded_root_token: status.encodedToken }),
  };
}

/** The same for the older paths: all members, whatever there is to tell. */
function olderStatusData(status: GenerateRootStatus): Record<string, unknown> {
  return { nonce: '', pgp_fingerprint: '', encoded_token: '', encoded_root_token: '', ...statusData(status) };
}

/** How a family of paths answers. */
interface Shape {
  readonly bare: boolean;
  readonly data: (status: GenerateRootStatus) => Record<string, unknown>;
  /** Members that are told otherwise after a share. */
  readonly afterShare: Readonly<Record<string, unknown>>;
}

const NEWER: Shape = { bare: false, data: statusData, afterShare: {} };
const OLDER: Shape = { bare: true, data: olderStatusData, afterShare: { otp_length: 0 } };

const answer = ({ bare, data }: Shape, status: GenerateRootStatus, more: object = {}): Response => ({
  ...(bare ? { bare } : {}),
  data: { ...data(status), ...more },
});

function shareOf(text: string | undefined): Secret<Uint8Array> {
  if (text === undefined || text === '') throw badRequest('key is required');
  return decodeShare(text);
}

/** '' is the same as nothing. */
const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function attemptPath(
  pattern: string,
  deps: GenerateRootPathDeps,
  traits: object,
  shape: Shape,
): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: {
      otp: field.string('A one-time password as long as a root token, that hides the token.', { secret: true }),
      pgp_key: field.string('A PGP public key that the token is encrypted for.'),
    },
    help: { synopsis: 'Begins, tells of, or cancels making a root token from unseal key shares.' },
    ...traits,
    read: {
      summary: 'How far it is',
      runs: 'active',
      handler: async (): Promise<Response> => answer(shape, await deps.generateRoot().status()),
    },
    update: {
      summary: 'Begin',
      handler: async (_: unknown, fields): Promise<Response> => {
        const otp = given(fields.otp);
        const pgpKey = given(fields.pgp_key);
        const status = await deps.generateRoot().start({
          ...(otp === undefined ? {} : { otp }),
          ...(pgpKey === undefined ? {} : { pgpKey }),
        });
        return answer(shape, status);
      },
    },
    delete: {
      summary: 'Cancel',
      handler: async (): Promise<undefined> => {
        await deps.generateRoot().cancel();
        return undefined;
      },
    },
  });
}

function updatePath(
  pattern: string,
  deps: GenerateRootPathDeps,
  traits: object,
  shape: Shape,
): PathDeclaration<unknown> {
  return definePath(pattern, {
    fields: {
      key: field.string('One share of the unseal key, in hex or base64.', { secret: true }),
      nonce: field.string('The nonce of the attempt.', { default: '' }),
    },
    help: { synopsis: 'Gives a share of the unseal key, to make a root token.' },
    ...traits,
    update: {
      summary: 'Give a share',
      handler: (_: unknown, fields): Response => {
        const share = shareOf(fields.key);
        // Once: a second run would find the attempt over, and a root token would live on that nobody has.
        return {
          afterCommit: async () => answer(shape, await deps.generateRoot().give(fields.nonce, share), shape.afterShare),
        };
      },
    },
  });
}

/** `sys/generate-root-token/…` (a token with `sudo`), `sys/decode-token`, and `sys/generate-root/…` where a listener opens it. */
export function generateRootPaths(deps: GenerateRootPathDeps): readonly PathDeclaration<unknown>[] {
  const sudo = { sudo: true } as const;
  const old = {
    unauthenticated: true,
    openedBy: 'unauthenticated-generate-root',
    hidden: true,
    neverWrapped: true,
  } as const satisfies PathTraits;
  return [
    attemptPath('generate-root-token/attempt', deps, sudo, NEWER),
    updatePath('generate-root-token/update', deps, sudo, NEWER),
    attemptPath('generate-root/attempt', deps, old, OLDER),
    updatePath('generate-root/update', deps, old, OLDER),
    definePath('decode-token', {
      fields: {
        encoded_token: field.string('The hidden token.', { secret: true }),
        otp: field.string('The one-time password that hides it.', { secret: true }),
      },
      help: { synopsis: 'Shows a token that a one-time password hides.' },
      unauthenticated: true,
      update: {
        summary: 'Decode a token',
        runs: 'local',
        handler: (_: unknown, fields): Response => {
          const encoded = given(fields.encoded_token);
          const otp = given(fields.otp);
          if (encoded === undefined || otp === undefined) {
            throw badRequest("provided 'encoded_token' or 'otp' is empty");
          }
          return { data: { token: decodeToken(encoded, otp) } };
        },
      },
    }),
  ];
}
