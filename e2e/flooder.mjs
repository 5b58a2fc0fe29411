/**
 * A peer that floods a cluster port: a process of its own, so that it shares no thread and no memory with what watches.
 * Reads a job (JSON) on standard input, prints the result (JSON).
 *
 * Job: { kind, port, seconds, connections, certificate, key, from, to, hello, request }; result:
 * { opened, bytes }. Connections that end are opened again.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { encodeMessage } from '../libs/raft/dist/index.js';
import { FRAME, frame } from './cluster-port.mjs';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const job = JSON.parse(input);
const figures = { opened: 0, bytes: 0 };
const endMs = Date.now() + job.seconds * 1000;
const over = () => Date.now() >= endMs;

/** The beginning of a TLS record, as long as a ClientHello's, and never its end. */
const CLIENT_HELLO = Buffer.from('160301020001000001fc0303', 'hex');
const HUGE_BYTES = 64 * 1024 * 1024;
const huge = Buffer.alloc(1024 * 1024, 1);
/** A message of a term that is long over. */
const oldAppend = (bytes) =>
  encodeMessage({
    kind: 'append',
    from: job.from,
    to: job.to,
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    entries: [{ kind: 'data', term: 1, index: 2, data: new Uint8Array(bytes) }],
    commit: 0,
  });
const smallFrames = () => {
  const one = frame(
    FRAME.message,
    encodeMessage({ kind: 'heartbeat', from: job.from, to: job.to, term: 1, commit: 1, round: 1 }),
  );
  return Buffer.concat(Array.from({ length: 2000 }, () => one));
};
const snapshotBegin = () => {
  const membership = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [] };
  const snapshot = { index: 1_000_000, term: 1, membership };
  return frame(FRAME.snapshotBegin, encodeMessage({ kind: 'snapshot', from: job.from, to: job.to, term: 1, snapshot }));
};

/** Writes pieces for as long as there is time, as fast as they are taken. */
function pour(socket, piece) {
  const more = () => {
    while (!over() && !socket.destroyed) {
      figures.bytes += piece.length;
      if (!socket.write(piece)) return;
    }
  };
  socket.on('drain', more);
  more();
}

/** What is done with a connection that is open, or let in. */
const acts = {
  // Nothing is ever said.
  silent: () => undefined,
  unfinished: (socket) => socket.write(CLIENT_HELLO),
  garbage: (socket) => pour(socket, randomBytes(65_536)),
  foreign: () => undefined,
  // The hello is never said.
  mute: () => undefined,
  idle: () => undefined,
  huge: (socket) => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(HUGE_BYTES);
    header[4] = FRAME.message;
    socket.write(header);
    let left = HUGE_BYTES - 1024 * 1024;
    const more = () => {
      while (left > 0 && !socket.destroyed) {
        left -= huge.length;
        figures.bytes += huge.length;
        if (!socket.write(huge)) return;
      }
    };
    socket.on('drain', more);
    more();
    const drip = setInterval(() => socket.write(Buffer.alloc(1)), 1000);
    socket.once('close', () => clearInterval(drip));
  },
  small: (socket) => pour(socket, smallFrames()),
  'old appends': (socket) => pour(socket, frame(FRAME.message, oldAppend(1024 * 1024))),
  snapshots: (socket) => {
    socket.write(snapshotBegin());
    const piece = frame(FRAME.snapshotChunk, randomBytes(65_000));
    const drip = setInterval(() => socket.write(piece), 50);
    socket.once('close', () => clearInterval(drip));
  },
  // Answers are asked for without end and never read; one more would be one too many.
  requests: (socket) => {
    socket.pause();
    const payload = Buffer.from(job.request, 'base64');
    let id = 0;
    const more = () => {
      while (!over() && !socket.destroyed && id < 256) {
        const head = Buffer.alloc(5 + 7);
        head.writeUInt32BE(++id, 0);
        head[4] = 7;
        head.write('request', 5);
        const whole = frame(FRAME.request, Buffer.concat([head, payload]));
        figures.bytes += whole.length;
        if (!socket.write(whole)) return;
      }
    };
    socket.on('drain', more);
    more();
  },
};

const PROTOCOL = { snapshots: 'coffer-snapshot/1', requests: 'coffer-forward/1' };

function start() {
  if (over()) return;
  const plain = ['silent', 'unfinished', 'garbage'].includes(job.kind);
  const socket = plain
    ? connectTcp(job.port, '127.0.0.1')
    : connectTls({
        host: '127.0.0.1',
        port: job.port,
        cert: job.certificate,
        key: job.key,
        ALPNProtocols: [PROTOCOL[job.kind] ?? 'coffer-raft/1'],
        rejectUnauthorized: false,
      });
  figures.opened += 1;
  const act = acts[job.kind];
  socket.on('error', () => undefined);
  socket.once('close', () => setTimeout(start, 5));
  if (plain) socket.once('connect', () => act(socket));
  else
    socket.once('secureConnect', () => {
      if (job.hello && job.kind !== 'mute') socket.write(frame(FRAME.hello, Buffer.from(JSON.stringify(job.hello))));
      act(socket);
      if (job.kind !== 'requests') socket.resume();
    });
}

for (let count = 0; count < job.connections; count++) start();
setTimeout(() => {
  console.log(JSON.stringify(figures));
  process.exit(0);
}, job.seconds * 1000);
