export {
  bundleOf,
  certificatesOf,
  createClusterTls,
  fingerprintOf,
  issueNodeCertificate,
  LEAF_LIFE_MS,
} from './cluster-ca.ts';
export type { NodeCertificate } from './cluster-ca.ts';
export { CLUSTER_DOMAIN, isNodeId } from './node-name.ts';
export { ForwardPort } from './forward-port.ts';
export { SnapshotTransferError } from './snapshot-frames.ts';
export { TlsTransport } from './tls-transport.ts';
export { DEFAULT_LIMITS } from './transport-options.ts';
export type { MessageCodec, TransportLimits, TransportOptions } from './transport-options.ts';
