import { StorageError } from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';
import { failureOf } from './server-failure.ts';

const said = (code: string): Error => Object.assign(new Error('what it says'), { code, severity: 'ERROR' });

it.each([
  ['a connection that broke', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
  // As long as an SQLSTATE, and of the same letters.
  ['a connection that broke while it was written to', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })],
  ['no answer in time', new Error('Query read timeout')],
  ['a server that ends', said('57P01')],
  ['a server without room for another connection', said('53300')],
  ['a server that became a replica', said('25006')],
  ['a pooler that lost its server', said('08P01')],
  ['a pooler that knows nothing of a prepared statement', said('26000')],
])('leaves open what came of a statement after %s', (_, error) => {
  expect(failureOf(error)).toBeInstanceOf(Unreachable);
});

it.each([
  ['a missing right', '42501'],
  ['a missing table', '42P01'],
  ['a full disk', '53100'],
  ['a value too large', '54000'],
])('takes %s for a refusal', (_, code) => {
  const failure = failureOf(said(code));
  expect(failure).toBeInstanceOf(StorageError);
  expect(failure).toMatchObject({ code: 'disk', message: `the database refused (SQLSTATE ${code}): what it says` });
});
