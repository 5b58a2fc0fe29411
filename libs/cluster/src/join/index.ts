export { JoinClient } from './join-client.ts';
export type { Joiner } from './join-client.ts';
export { JOIN_STATUS, JoinError } from './join-error.ts';
export type { JoinErrorCode } from './join-error.ts';
export { JoinServer } from './join-server.ts';
export { ANSWER_BYTES_MAX, ANSWER_PATH, CHALLENGE_PATH, challengeToJson, fromBase64, toBase64 } from './join-wire.ts';
