import { RequestError } from '@coffer/sdk';

/** Status 500 with the text in the form in which Vault lists one error of a handler; clients look for it. */
export function failedWith(text: string): RequestError {
  return new RequestError('internal', `1 error occurred:\n\t* ${text}\n\n`);
}
