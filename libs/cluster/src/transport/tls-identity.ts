import type { SecureContextOptions } from 'node:tls';
import type { CancelTimer, Clock, Log, Random } from '@coffer/kernel';
import type { ClusterTls } from '../cluster.ts';
import { issueNodeCertificate, LEAF_LIFE_MS } from './cluster-ca.ts';
import type { NodeCertificate } from './cluster-ca.ts';

/** A new certificate is signed when less than this part of its life is left. */
const RENEW_BELOW = 2 / 3;
const LOOK_EVERY_MS_MAX = 600_000;
/** So often within a life it is looked whether a new one is due. */
const LOOKS = 24;

/** What an identity is kept with. */
interface IdentityMeans {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How long a certificate is good for, in milliseconds; `LEAF_LIFE_MS` where it is not given. */
  readonly leafLifeMs?: number;
}

/** This node's own certificate, renewed in good time for as long as the process runs. */
export class TlsIdentity {
  readonly nodeId: string;
  readonly clusterId: string;
  #tls: ClusterTls;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #lifeMs: number;
  #certificate: NodeCertificate;
  #cancel: CancelTimer | undefined;
  #onRenewed: () => void = () => undefined;

  private constructor(
    identity: { readonly nodeId: string; readonly clusterId: string; readonly tls: ClusterTls },
    means: IdentityMeans,
    certificate: NodeCertificate,
  ) {
    this.nodeId = identity.nodeId;
    this.clusterId = identity.clusterId;
    this.#tls = identity.tls;
    this.#clock = means.clock;
    this.#random = means.random;
    this.#log = means.log;
    this.#lifeMs = lifeOf(means);
    this.#certificate = certificate;
  }

  /** @throws RangeError if the node id cannot stand in a certificate */
  static async create(
    identity: { readonly nodeId: string; readonly clusterId: string; readonly tls: ClusterTls },
    means: IdentityMeans,
  ): Promise<TlsIdentity> {
    const { clock, random } = means;
    const certificate = await issueNodeCertificate(identity.tls, identity.nodeId, clock, random, lifeOf(means));
    return new TlsIdentity(identity, means, certificate);
  }

  /** What both ends of a connection are set up with: this certificate, and no authorities but the cluster's. */
  secureOptions(): SecureContextOptions {
    return {
      ca: this.#tls.caCertificate,
      cert: this.#certificate.certificate,
      key: this.#certificate.key.reveal(),
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
    };
  }

  /** Keeps the certificate fresh until `stop`. */
  start(onRenewed: () => void): void {
    this.#onRenewed = onRenewed;
    this.#cancel = this.#clock.every(Math.min(LOOK_EVERY_MS_MAX, this.#lifeMs / LOOKS), () => {
      if (this.#certificate.notAfterMs - this.#clock.nowMs() >= this.#lifeMs * RENEW_BELOW) return;
      this.renew(this.#tls).catch((error: unknown) =>
        this.#log.error('cannot renew the certificate of the cluster port', { error }),
      );
    });
  }

  /** Trusts these authorities from now on, and shows a new certificate of the first; connections go on. */
  async renew(tls: ClusterTls): Promise<void> {
    this.#tls = tls;
    const certificate = await issueNodeCertificate(tls, this.nodeId, this.#clock, this.#random, this.#lifeMs);
    // Another change may have overtaken this one.
    if (this.#tls !== tls) return;
    this.#certificate = certificate;
    this.#onRenewed();
  }

  stop(): void {
    this.#cancel?.();
  }
}

const lifeOf = ({ leafLifeMs }: IdentityMeans): number => Math.min(leafLifeMs ?? LEAF_LIFE_MS, LEAF_LIFE_MS);
