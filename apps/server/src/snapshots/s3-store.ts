import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';
import type { SnapshotTarget } from '@coffer/core-system';
import type { KeptSnapshot, SnapshotStore } from './snapshot-store.ts';

type S3Target = Extract<SnapshotTarget, { readonly kind: 'aws-s3' }>;

/** Parts of an upload, in bytes, and how many are sent at a time; so much is held in memory. */
const PART_BYTES = 8 << 20;
const PARTS_UNDER_WAY = 2;

/** Snapshots as objects of a bucket. This file is loaded with the first configuration that names one. */
export class S3Store implements SnapshotStore {
  readonly #client: S3Client;
  readonly #target: S3Target;
  readonly #prefix: string;

  constructor(target: S3Target, pathPrefix: string) {
    const { region, endpoint, accessKeyId, secretAccessKey, sessionToken, forcePathStyle } = target;
    this.#target = target;
    this.#prefix = pathPrefix === '' ? '' : `${pathPrefix}/`;
    this.#client = new S3Client({
      region,
      forcePathStyle,
      ...(endpoint === '' ? {} : { endpoint: urlOf(target) }),
      ...(accessKeyId === ''
        ? {}
        : { credentials: { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) } }),
    });
  }

  url(name: string): string {
    return `s3://${this.#target.bucket}/${this.#prefix}${name}`;
  }

  async list(): Promise<readonly KeptSnapshot[]> {
    const kept: KeptSnapshot[] = [];
    let more: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.#target.bucket, Prefix: this.#prefix, ContinuationToken: more }),
      );
      for (const { Key: key = '', Size: size = 0 } of page.Contents ?? []) {
        kept.push({ name: key.slice(this.#prefix.length), size });
      }
      more = page.NextContinuationToken;
    } while (more !== undefined);
    return kept;
  }

  async put(name: string, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const { kmsKey, serverSideEncryption } = this.#target;
    const upload = new Upload({
      client: this.#client,
      partSize: PART_BYTES,
      queueSize: PARTS_UNDER_WAY,
      params: {
        ...this.#object(name),
        Body: Readable.from(contents, { objectMode: false }),
        ContentType: 'application/gzip',
        ...(kmsKey !== ''
          ? { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKey }
          : serverSideEncryption
            ? { ServerSideEncryption: 'AES256' }
            : {}),
      },
    });
    await upload.done();
  }

  async read(name: string): Promise<AsyncIterable<Uint8Array>> {
    const { Body: body } = await this.#client.send(new GetObjectCommand(this.#object(name)));
    if (!(body instanceof Readable)) throw new Error('the service answered without a body');
    return body;
  }

  async remove(name: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#object(name)));
  }

  close(): void {
    this.#client.destroy();
  }

  #object(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#target.bucket, Key: this.#prefix + name };
  }
}

function urlOf({ endpoint, disableTls }: S3Target): string {
  return /^https?:\/\//.test(endpoint) ? endpoint : `${disableTls ? 'http' : 'https'}://${endpoint}`;
}
