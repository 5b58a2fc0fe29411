export * from './message.ts';
export * from './raft.ts';
export { createRaft } from './raft-core.ts';
export { entryBytes } from './entry-bytes.ts';
export { CodecError } from './codec-error.ts';
export { decodeEntry, encodeEntry } from './entry-codec.ts';
export { decodeMessage, encodeMessage } from './message-codec.ts';
