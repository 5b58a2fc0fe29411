/** Requests of the chaos clients: connections kept alive for each node, and three outcomes instead of two. */
import { Agent, request } from 'node:http';
import { nowNs } from './clock.mjs';

const agents = new Map();

function agentOf(node) {
  let agent = agents.get(node.url);
  if (!agent) agents.set(node.url, (agent = new Agent({ keepAlive: true, maxSockets: 256 })));
  return agent;
}

/** Cuts all connections of clients to a node, those with a request under way included. */
export function resetConnections(node) {
  const agent = agentOf(node);
  for (const list of [agent.sockets, agent.freeSockets])
    for (const socket of Object.values(list).flat()) socket.resetAndDestroy?.();
}

/** Ends all connections, for the end of a run. */
export function closeConnections() {
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}

/**
 * One request.
 *
 * @param options.body bytes go as they are, all else as JSON
 * @returns {Promise<{outcome: 'answered', status: number, body: any, bytes: Buffer, begunNs: number}
 *   | {outcome: 'refused' | 'unknown', why: string}>}
 *   `refused`: it certainly did not take effect; `unknown`: nobody can tell. `begunNs` is when the answer began; `body` is
 *   undefined where it is not JSON
 */
export async function ask(node, method, path, { token, body, headers = {}, timeoutMs = 4_000 } = {}) {
  let answer;
  try {
    answer = await exchange(node, method, path, { token, body, headers, timeoutMs });
  } catch (error) {
    const outcome = error.code === 'ECONNREFUSED' ? 'refused' : 'unknown';
    return { outcome, why: error.code ?? error.message };
  }
  const { status } = answer;
  if (status < 500) return { outcome: 'answered', ...answer };
  const why = `${status} ${JSON.stringify(answer.body?.errors ?? answer.body ?? '')}`;
  // 503 says whether it is safe to repeat: all but "the outcome is unknown" promise that nothing was done
  const certain = status === 503 && !/outcome of the request is unknown/.test(why);
  return { outcome: certain ? 'refused' : 'unknown', why, status };
}

function exchange(node, method, path, { token, body, headers, timeoutMs }) {
  return new Promise((resolve, reject) => {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const contentType = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
    const sent = request(
      `${node.url}/v1/${path}`,
      {
        method,
        agent: agentOf(node),
        headers: {
          ...(token ? { 'X-Vault-Token': token } : {}),
          ...(bytes === undefined ? {} : { 'Content-Type': contentType, 'Content-Length': bytes.length }),
          ...headers,
        },
      },
      (response) => {
        const chunks = [];
        const begunNs = nowNs();
        response.on('data', (chunk) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const answer = { status: response.statusCode, bytes: Buffer.concat(chunks), begunNs };
          if (answer.bytes.length === 0 || !/json/.test(response.headers['content-type'])) return resolve(answer);
          try {
            resolve({ ...answer, body: JSON.parse(answer.bytes.toString('utf8')) });
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    const timer = setTimeout(
      () => sent.destroy(Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })),
      timeoutMs,
    );
    sent.once('close', () => {
      clearTimeout(timer);
      // whatever ended it has been told already, or nothing will be
      reject(Object.assign(new Error('closed before the answer'), { code: 'CLOSED' }));
    });
    sent.once('error', reject);
    sent.end(bytes);
  });
}
