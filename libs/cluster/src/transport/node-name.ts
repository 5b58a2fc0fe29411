import type { X509Certificate } from 'node:crypto';

/** The domain of the names in node certificates. It is never looked up: names only say who a node is. */
export const CLUSTER_DOMAIN = 'coffer.internal';

/** Node ids that may stand in a certificate: what host names, UUIDs and Vault's own node ids are made of. */
const NODE_ID = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$/;

/** Whether a node can have this id: 1–128 letters, digits, `_`, `-` and `.`, not `-` or `.` at either end. */
export function isNodeId(text: string): boolean {
  return NODE_ID.test(text);
}

/** The name of a node in its certificate. @throws RangeError if the id cannot stand in one */
export function nodeName(nodeId: string): string {
  if (!isNodeId(nodeId)) throw new RangeError('a node id consists of letters, digits, "_", "-" and "." (at most 128)');
  return `${nodeId}.${CLUSTER_DOMAIN}`;
}

/**
 * Whose certificate this is; undefined unless it holds exactly one name and that is a node's. Subject and common name
 * are not looked at.
 */
export function nodeIdOf(certificate: Pick<X509Certificate, 'subjectAltName'>): string | undefined {
  const names = certificate.subjectAltName;
  const prefix = 'DNS:';
  const suffix = `.${CLUSTER_DOMAIN}`;
  if (names === undefined || !names.startsWith(prefix) || !names.endsWith(suffix)) return undefined;
  const nodeId = names.slice(prefix.length, -suffix.length);
  return isNodeId(nodeId) ? nodeId : undefined;
}
