/**
 * The cluster port from outside: who holds the key of the cluster's authority can show a certificate of any node. A test
 * gets it by `sys/raw` (`raw_storage_endpoint = true` in the configuration), and then speaks frames by hand.
 */
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { certificatesOf, issueNodeCertificate } from '../libs/cluster/dist/index.js';
import { Secret, systemClock, systemRandom } from '../libs/kernel/dist/index.js';

/** Types of frames, as libs/cluster/src/transport/frame.ts has them. */
export const FRAME = {
  hello: 1,
  refusal: 2,
  ping: 3,
  message: 0x10,
  request: 0x20,
  cancel: 0x23,
  snapshotBegin: 0x30,
  snapshotChunk: 0x31,
};

/** The authorities of a cluster: `certificates` in PEM, the first signs. */
export async function authorityOf(cluster, node) {
  const { status, body } = await cluster.request(node, 'GET', 'sys/raw/core/cluster/tls');
  if (status !== 200) throw new Error(`sys/raw answered ${status}: ${JSON.stringify(body)}`);
  const { caCertificate, caKey } = JSON.parse(body.data.value);
  return { certificates: certificatesOf(caCertificate), caCertificate, caKey: new Secret(caKey) };
}

/** A certificate of a node, signed now or so long ago. */
export function leafOf(authority, nodeId, agoMs = 0) {
  const clock = { ...systemClock, nowMs: () => Date.now() - agoMs };
  return issueNodeCertificate(authority, nodeId, clock, systemRandom);
}

/** The certificate that a node shows to whoever connects. */
function shownBy(node) {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: node.clusterPort,
      ALPNProtocols: ['coffer-raft/1'],
      rejectUnauthorized: false,
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate());
      socket.destroy();
    });
  });
}

/** Whether the certificate that a node shows is of the authority that signs. */
export async function showsLeafOf(node, authority) {
  return (await shownBy(node)).verify(new X509Certificate(authority.certificates[0]).publicKey);
}

export function frame(type, payload) {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(payload.length + 1);
  header[4] = type;
  return Buffer.concat([header, payload]);
}

/** What a node says first. @param who as of `nameOf` */
export const helloOf = (who) => ({
  v: 1,
  cluster: who.clusterId,
  node: who.nodeId,
  address: who.clusterAddress,
  api: who.apiAddress,
  window: 1024,
  bytes: 64 * 1024 * 1024,
});

/**
 * Connects and says hello.
 *
 * @param who `{nodeId, clusterId, clusterAddress, apiAddress}`: as whom
 * @returns the socket, once the node has said hello in return (`socket.hello`). @throws what it was refused with, or the error of TLS
 */
export function enter(node, leaf, protocol, who) {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: node.clusterPort,
      cert: leaf.certificate,
      key: leaf.key.reveal(),
      ALPNProtocols: [protocol],
      rejectUnauthorized: false,
    });
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () => {
      socket.write(frame(FRAME.hello, Buffer.from(JSON.stringify(helloOf(who)))));
    });
    socket.on('data', function first(data) {
      if (data[4] === FRAME.ping) return;
      socket.off('data', first);
      if (data[4] === FRAME.hello) {
        const text = data.toString('utf8', 5, 4 + data.readUInt32BE(0));
        resolve(Object.assign(socket, { hello: JSON.parse(text) }));
      } else reject(new Error(`refused: ${data[5]}`));
    });
  });
}

/** As whom a test enters that borrows a node's name. */
export async function nameOf(cluster, node) {
  const { body } = await cluster.request(node, 'GET', 'sys/storage/raft/bootstrap/address');
  const health = await cluster.request(node, 'GET', 'sys/health?standbyok=true');
  return {
    nodeId: node.id,
    clusterId: body?.data?.cluster_id ?? health.body.cluster_id,
    clusterAddress: `https://127.0.0.1:${node.advertisedPort}`,
    apiAddress: node.url,
  };
}
