import { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { systemClock, systemRandom } from '@coffer/kernel';
import { createClusterTls, issueNodeCertificate, LEAF_LIFE_MS } from './cluster-ca.ts';
import { isNodeId, nodeIdOf } from './node-name.ts';

describe('the authority of a cluster', () => {
  it('signs leaves that name their node and nothing else', async () => {
    const tls = await createClusterTls(systemClock, systemRandom);
    const authority = new X509Certificate(tls.caCertificate);
    const issued = await issueNodeCertificate(tls, 'node_1.example', systemClock, systemRandom);
    const leaf = new X509Certificate(issued.certificate);
    expect(authority.ca).toBe(true);
    expect(authority.verify(authority.publicKey)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.checkIssued(authority)).toBe(true);
    expect(leaf.subjectAltName).toBe('DNS:node_1.example.coffer.internal');
    expect(nodeIdOf(leaf)).toBe('node_1.example');
    // Server and client authentication (RFC 5280, section 4.2.1.12).
    expect([...leaf.keyUsage].sort()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  it('backdates leaves for clocks that differ, and does not let them live long', async () => {
    const nowMs = Date.UTC(2030, 0, 1);
    const clock = { ...systemClock, nowMs: () => nowMs };
    const tls = await createClusterTls(clock, systemRandom);
    const issued = await issueNodeCertificate(tls, 'a', clock, systemRandom);
    const leaf = new X509Certificate(issued.certificate);
    expect(Date.parse(leaf.validFrom)).toBe(nowMs - 3_600_000);
    expect(Date.parse(leaf.validTo)).toBe(nowMs + LEAF_LIFE_MS);
    expect(issued.notAfterMs).toBe(nowMs + LEAF_LIFE_MS);
  });

  it('is another for each cluster, and its leaves do not pass for another’s', async () => {
    const [one, two] = [
      await createClusterTls(systemClock, systemRandom),
      await createClusterTls(systemClock, systemRandom),
    ];
    const leaf = new X509Certificate((await issueNodeCertificate(one, 'a', systemClock, systemRandom)).certificate);
    expect(leaf.verify(new X509Certificate(two.caCertificate).publicKey)).toBe(false);
    expect(leaf.checkIssued(new X509Certificate(two.caCertificate))).toBe(false);
  });

  it('does not print its keys', async () => {
    const tls = await createClusterTls(systemClock, systemRandom);
    const leaf = await issueNodeCertificate(tls, 'a', systemClock, systemRandom);
    expect(`${JSON.stringify([tls, leaf])} ${inspect([tls, leaf])}`).not.toContain('PRIVATE KEY');
    expect(tls.caKey.reveal()).toContain('PRIVATE KEY');
  });

  it.each(['', '-a', 'a.', 'a b', 'a,DNS:b', 'a\0', 'ä', 'x'.repeat(129)])('refuses the node id %j', async (nodeId) => {
    const tls = await createClusterTls(systemClock, systemRandom);
    expect(isNodeId(nodeId)).toBe(false);
    await expect(issueNodeCertificate(tls, nodeId, systemClock, systemRandom)).rejects.toThrow(RangeError);
  });

  it.each([
    undefined,
    '',
    'DNS:coffer.internal',
    'DNS:a.coffer.internal, DNS:b.coffer.internal',
    'DNS:a.example.com',
    'IP Address:127.0.0.1',
    'DNS:a.coffer.internal.example.com',
  ])('takes no node from the names %j', (subjectAltName) => {
    expect(nodeIdOf({ subjectAltName })).toBeUndefined();
  });
});
