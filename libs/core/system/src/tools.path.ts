import { createHash } from 'node:crypto';
import type { Random } from '@coffer/kernel';
import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';

/** Bytes of one answer. */
const RANDOM_BYTES_MAX = 128 * 1024;
const SOURCES: ReadonlySet<string> = new Set(['platform', 'seal', 'all']);

/** Vault's names and those of OpenSSL. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha2-224', 'sha224'],
  ['sha2-256', 'sha256'],
  ['sha2-384', 'sha384'],
  ['sha2-512', 'sha512'],
  ['sha3-224', 'sha3-224'],
  ['sha3-256', 'sha3-256'],
  ['sha3-384', 'sha3-384'],
  ['sha3-512', 'sha3-512'],
]);

/** Like Go's decoder: padded, no other characters. @throws RequestError */
function decodeBase64(text: string): Uint8Array {
  const bad = /[^A-Za-z0-9+/]/.exec(text.replace(/={0,2}$/, ''));
  if (bad) throw badRequest(`unable to decode input as base64: illegal base64 data at input byte ${String(bad.index)}`);
  if (text.length % 4 !== 0) {
    const end = text.length - (text.length % 4);
    throw badRequest(`unable to decode input as base64: illegal base64 data at input byte ${String(end)}`);
  }
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function byteCount(fromUrl: string | undefined, fromBody: number): number {
  if (fromUrl === undefined || fromUrl === '') return fromBody;
  if (!/^[+-]?\d+$/.test(fromUrl)) {
    throw badRequest(
      `error parsing url-set byte count: strconv.Atoi: parsing ${JSON.stringify(fromUrl)}: invalid syntax`,
    );
  }
  return Number(fromUrl);
}

function randomBytes(random: Random, count: number, format: string, source: string): Response {
  if (count < 1) throw badRequest(`'bytes' cannot be less than 1`);
  if (count > RANDOM_BYTES_MAX) throw badRequest(`'bytes' should be less than ${String(RANDOM_BYTES_MAX)}`);
  if (format !== 'base64' && format !== 'hex') {
    throw badRequest(`unsupported encoding format ${JSON.stringify(format)}; must be "hex" or "base64"`);
  }
  if (!SOURCES.has(source))
    throw badRequest(`unsupported entropy source ${JSON.stringify(source)}; must be "platform" or "seal", or "all"`);
  return { data: { random_bytes: Buffer.from(random.bytes(count)).toString(format) } };
}

/** `sys/tools/random…` and `sys/tools/hash…`: for clients without good randomness or hashes of their own. */
export function toolsPaths(random: Random): readonly PathDeclaration<unknown>[] {
  const randomFields = {
    bytes: field.int('The number of bytes.', { default: 32 }),
    format: field.string('"hex" or "base64".', { default: 'base64' }),
  };
  const randomPath = (pattern: string, extra: string): PathDeclaration<unknown> =>
    definePath(pattern, {
      fields: {
        ...randomFields,
        source: field.string('Where the bytes come from.', { default: 'platform' }),
        ...(extra === '' ? {} : { urlbytes: field.string('The number of bytes, in the URL.') }),
      },
      help: { synopsis: 'Random bytes of cryptographic quality.' },
      update: {
        summary: 'Random bytes',
        runs: 'any',
        handler: (_: unknown, fields, context): Response => {
          const sent: unknown = (fields as Record<string, unknown>).urlbytes;
          const { source } = fields;
          if (context.request.data.source !== undefined && !pattern.includes(':source')) {
            context.warn(
              "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [source]",
            );
          }
          // `random/16` and `random/platform`: one segment may be either.
          const isSource = typeof sent === 'string' && SOURCES.has(sent);
          const count = byteCount(typeof sent === 'string' && !isSource ? sent : undefined, fields.bytes);
          const named = pattern.includes(':source') ? source : isSource ? sent : 'platform';
          return randomBytes(random, count, fields.format, named);
        },
      },
    });
  const hashPath = (pattern: string): PathDeclaration<unknown> =>
    definePath(pattern, {
      fields: {
        input: field.string('What to hash, in base64.', { default: '' }),
        algorithm: field.string('The hash function.', { default: 'sha2-256', allowedValues: [...ALGORITHMS.keys()] }),
        format: field.string('"hex" or "base64".', { default: 'hex' }),
        urlalgorithm: field.string('The hash function, in the URL; goes before `algorithm`.', { default: '' }),
      },
      help: { synopsis: 'The hash of some data.' },
      update: { summary: 'Hash data', runs: 'any', handler: (_: unknown, fields): Response => hash(fields) },
    });
  return [
    randomPath('tools/random', ''),
    randomPath('tools/random/:urlbytes', 'urlbytes'),
    randomPath('tools/random/:source/:urlbytes', 'urlbytes'),
    hashPath('tools/hash'),
    hashPath('tools/hash/:urlalgorithm'),
  ];
}

function hash(fields: {
  readonly input: string;
  readonly algorithm: string;
  readonly format: string;
  readonly urlalgorithm: string;
}): Response {
  const input = decodeBase64(fields.input);
  const { format } = fields;
  if (format !== 'hex' && format !== 'base64') {
    throw badRequest(`unsupported encoding format ${format}; must be "hex" or "base64"`);
  }
  const name = fields.urlalgorithm === '' ? fields.algorithm : fields.urlalgorithm;
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) throw badRequest(`unsupported algorithm ${name}`);
  return { data: { sum: createHash(algorithm).update(input).digest(format) } };
}
