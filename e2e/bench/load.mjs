/**
 * The load generator, a process of its own so that it shares no thread with what it measures: keep-alive connections on
 * bare sockets, one request at a time on each. Reads a job (JSON) on standard input, prints the result (JSON).
 *
 * Job: { port, connections, seconds, warmUpSeconds, requests: string[] } – the texts of requests, taken in turn. `%N%`
 * in one of them becomes a number that no other request has; it must not change the length of the body (6 digits).
 * Result: { count, perSecond, p50Ms, p99Ms, worstMs, failures, statuses }
 */
import { connect } from 'node:net';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const job = JSON.parse(input);

const latencies = [];
const statuses = {};
let failures = 0;
let number = 100_000;
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const beginMs = nowMs() + job.warmUpSeconds * 1000;
const endMs = beginMs + job.seconds * 1000;

/** @returns the length of the whole answer at the start of the buffer, or 0 where it is not complete */
function answerLength(buffer) {
  const head = buffer.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const text = buffer.toString('latin1', 0, head).toLowerCase();
  if (text.includes('transfer-encoding: chunked')) {
    const end = buffer.indexOf('0\r\n\r\n', head);
    return end < 0 ? 0 : end + 5;
  }
  const length = Number(text.match(/content-length: (\d+)/)?.[1] ?? 0);
  const whole = head + 4 + length;
  return buffer.length < whole ? 0 : whole;
}

function drive(index) {
  return new Promise((resolve) => {
    const socket = connect(job.port, '127.0.0.1');
    socket.setNoDelay(true);
    let received = Buffer.alloc(0);
    let sentMs = 0;
    let turn = index;
    const next = () => {
      if (nowMs() >= endMs) {
        socket.destroy();
        resolve();
        return;
      }
      const text = job.requests[turn++ % job.requests.length].replaceAll('%N%', () =>
        String((number = number >= 999_999 ? 100_000 : number + 1)),
      );
      sentMs = nowMs();
      socket.write(text);
    };
    socket.on('connect', next);
    socket.on('data', (data) => {
      received = received.length === 0 ? data : Buffer.concat([received, data]);
      const length = answerLength(received);
      if (length === 0) return;
      const status = received.toString('latin1', 9, 12);
      received = received.subarray(length);
      const doneMs = nowMs();
      if (sentMs >= beginMs && doneMs <= endMs) {
        latencies.push(doneMs - sentMs);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status[0] !== '2') failures++;
      }
      next();
    });
    socket.on('error', () => {
      failures++;
      resolve();
    });
    socket.on('close', resolve);
  });
}

await Promise.all(Array.from({ length: job.connections }, (_, index) => drive(index)));
latencies.sort((a, b) => a - b);
const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
process.stdout.write(
  JSON.stringify({
    count: latencies.length,
    perSecond: latencies.length / job.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    worstMs: at(1),
    failures,
    statuses,
  }),
);
