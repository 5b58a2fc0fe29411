import type { ApiClient } from '@coffer/api-client';
import type { FlagSpec, FlagValues } from './flags.ts';
import type { Printer } from './output/printer.ts';
import type { TokenHelper } from './token-helper.ts';

/** What a command gets. */
export interface CommandContext {
  readonly client: ApiClient;
  /** For questions beside the command's own request (which mount is it?): never dry, never wrapped. */
  readonly probe: ApiClient;
  /** Where a login keeps its token; looked for only where it is needed. @throws SetupError */
  readonly helper: () => Promise<TokenHelper>;
  readonly flags: FlagValues;
  readonly args: readonly string[];
  readonly print: Printer;
  /** The name under which the program was called. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard input, whole. */
  readonly readInput: () => string;
}

/** One command of the command line; help, parsing and completion come from this. */
export interface Command {
  /** Words after the program's name: `kv get`. */
  readonly name: string;
  readonly synopsis: string;
  /** What follows `Usage: vault kv get`: `[options] KEY`. */
  readonly usage: string;
  readonly help: string;
  /** 'own': the command reads its words itself, or pays them no heed. */
  readonly flags?: readonly FlagSpec[] | 'own';
  /** Flags of every command that talks to the server: address, token, TLS. */
  readonly http?: boolean;
  /** `-format`, and `-field` where `field`. */
  readonly output?: 'format' | 'field';
  /** Takes `-format=raw`. */
  readonly raw?: boolean;
  /** Goes without the token of the last login: that may be what is wrong. */
  readonly withoutStoredToken?: boolean;
  /** The exit code where the client cannot be set up; 2 if left out. */
  readonly setupFailureCode?: number;
  /** How many arguments, and how to say so. */
  readonly arguments: { readonly min: number; readonly max: number; readonly text?: string };
  run(context: CommandContext): Promise<number> | number;
}

/** A word that only has commands below it: `kv`. */
export interface CommandGroup {
  readonly name: string;
  readonly synopsis: string;
  readonly help: string;
}
