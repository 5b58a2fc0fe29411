import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { ParsingBackend } from '@coffer/storage';

/** Below the system mount. */
export const CORS_KEY = 'config/cors';

/** Headers that browsers may always send. */
export const CORS_STANDARD_HEADERS: readonly string[] = [
  'Content-Type',
  'Authorization',
  'X-Vault-Token',
  'X-Vault-MFA',
  'X-Vault-No-Request-Forwarding',
  'X-Vault-Wrap-Format',
  'X-Vault-Wrap-TTL',
  'X-Requested-With',
  'X-Vault-AWS-IAM-Server-ID',
  'X-Vault-Policy-Override',
];

/** Which web pages of other origins may use the API. */
export interface CorsConfig {
  /** Origins as browsers send them, or `*` alone. */
  readonly allowedOrigins: readonly string[];
  /** Standard ones and what was added. */
  readonly allowedHeaders: readonly string[];
  /** Whether browsers may send what they know of the user (cookies, certificates). */
  readonly allowCredentials?: boolean;
}

const parse = (bytes: Uint8Array): CorsConfig => JSON.parse(new TextDecoder().decode(bytes)) as CorsConfig;

/** The CORS settings of the cluster, for the gateway: read through the barrier's cache, so that a change shows at once. */
export class CorsSettings {
  readonly #backend: ParsingBackend;
  readonly #key: string;

  /** @param storagePrefix where the system mount's keys begin */
  constructor(backend: ParsingBackend, storagePrefix: string) {
    this.#backend = backend;
    this.#key = storagePrefix + CORS_KEY;
  }

  /** Undefined while CORS is off. @throws BarrierError `sealed` */
  current(): MaybePromise<CorsConfig | undefined> {
    return this.#backend.getParsed(this.#key, parse);
  }

  /** What to answer to a request of this `Origin`: the settings, `refused`, or undefined while CORS is off. */
  judge(origin: string): MaybePromise<CorsConfig | 'refused' | undefined> {
    return whenReady(this.current(), (config) => {
      if (!config) return undefined;
      return config.allowedOrigins.includes('*') || config.allowedOrigins.includes(origin) ? config : 'refused';
    });
  }
}
