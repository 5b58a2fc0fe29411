/** What a check found. */
export interface Finding {
  /** Of the check, in Vault's words where Vault has it: "Check Storage". */
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do about it, of warnings and failures. */
  readonly advice?: string;
}

export const ok = (name: string, message: string): Finding => ({ name, status: 'ok', message });
export const warn = (name: string, message: string, advice: string): Finding => ({
  name,
  status: 'warn',
  message,
  advice,
});
export const fail = (name: string, message: string, advice: string): Finding => ({
  name,
  status: 'fail',
  message,
  advice,
});
