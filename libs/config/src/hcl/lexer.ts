import { ConfigError } from './ast.ts';
import type { Position } from './ast.ts';

export type TokenKind = 'identifier' | 'string' | 'number' | '{' | '}' | '[' | ']' | '=' | ',' | ':' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of strings, what they stand for. */
  readonly text: string;
  readonly at: Position;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
  '/': '/',
  $: '$',
};
const IDENTIFIER_START = /[\p{L}_]/u;
const IDENTIFIER_PART = /[\p{L}\p{N}_.-]/u;

/** Splits HCL version 1 (and JSON, its subset) into tokens. @throws ConfigError */
export class Lexer {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.#file = file;
  }

  next(): Token {
    this.#skipBlank();
    const at = this.#position();
    const char = this.#text[this.#at];
    if (char === undefined) return { kind: 'end', text: '', at };
    if (char === '{' || char === '}' || char === '[' || char === ']' || char === '=' || char === ',' || char === ':') {
      this.#at++;
      return { kind: char, text: char, at };
    }
    if (char === '"') return { kind: 'string', text: this.#string(at), at };
    if (char === '<' && this.#text[this.#at + 1] === '<') return { kind: 'string', text: this.#heredoc(at), at };
    if (/[0-9+-]/.test(char)) return { kind: 'number', text: this.#number(at), at };
    if (IDENTIFIER_START.test(char)) return { kind: 'identifier', text: this.#identifier(), at };
    throw this.error(at, `unexpected character ${JSON.stringify(char)}`);
  }

  error(at: Position, text: string): ConfigError {
    return new ConfigError(this.#file, at, text);
  }

  #position(): Position {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #newLine(): void {
    this.#line++;
    this.#lineStart = this.#at + 1;
  }

  #skipBlank(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char === '\n') this.#newLine();
      if (char === ' ' || char === '\t' || char === '\r' || char === '\n') this.#at++;
      else if (char === '#' || (char === '/' && this.#text[this.#at + 1] === '/')) this.#skipLine();
      else if (char === '/' && this.#text[this.#at + 1] === '*') this.#skipComment();
      else return;
    }
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end === -1 ? this.#text.length : end;
  }

  #skipComment(): void {
    const at = this.#position();
    const end = this.#text.indexOf('*/', this.#at + 2);
    if (end === -1) throw this.error(at, 'expected the end of this comment: */');
    for (; this.#at < end + 2; this.#at++) if (this.#text[this.#at] === '\n') this.#newLine();
  }

  #identifier(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && IDENTIFIER_PART.test(this.#text[this.#at] as string)) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  #number(at: Position): string {
    const match = /[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
    match.lastIndex = this.#at;
    const found = match.exec(this.#text)?.[0];
    if (found === undefined) throw this.error(at, 'expected a number');
    this.#at += found.length;
    const after = this.#text[this.#at];
    if (after !== undefined && IDENTIFIER_PART.test(after))
      throw this.error(at, 'expected a number; texts such as durations need quotes');
    return found;
  }

  #string(at: Position): string {
    let text = '';
    this.#at++;
    let plain = this.#at;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === '\n') throw this.error(at, 'expected the end of this string: "');
      if (char === '"') {
        text += this.#text.slice(plain, this.#at++);
        return text;
      }
      if (char !== '\\') {
        this.#at++;
        continue;
      }
      text += this.#text.slice(plain, this.#at) + this.#escape(at);
      plain = this.#at;
    }
  }

  #escape(at: Position): string {
    const kind = this.#text[this.#at + 1] ?? '';
    const digits = kind === 'u' ? 4 : kind === 'U' ? 8 : kind === 'x' ? 2 : 0;
    if (digits > 0) {
      const hex = this.#text.slice(this.#at + 2, this.#at + 2 + digits);
      const code = /^[0-9a-fA-F]+$/.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : Number.NaN;
      if (!(code <= 0x10ffff)) throw this.error(at, `expected ${String(digits)} hexadecimal digits after \\${kind}`);
      this.#at += 2 + digits;
      return kind === 'U' ? String.fromCodePoint(code) : String.fromCharCode(code);
    }
    const value = Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : undefined;
    if (value === undefined) throw this.error(this.#position(), `unknown escape \\${kind} in a string`);
    this.#at += 2;
    return value;
  }

  #heredoc(at: Position): string {
    const [head = '', dash = '', name = ''] =
      /^<<(-?)([\p{L}\p{N}_.-]+)\r?\n/u.exec(this.#text.slice(this.#at, this.#at + 200)) ?? [];
    if (name === '') throw this.error(at, 'expected a name and a line end after <<');
    this.#at += head.length;
    const lines: string[] = [];
    this.#line++;
    for (;;) {
      if (this.#at >= this.#text.length)
        throw this.error(at, `expected a line with ${name} alone, the end of this text`);
      const found = this.#text.indexOf('\n', this.#at);
      const end = found === -1 ? this.#text.length : found;
      const line = this.#text.slice(this.#at, end).replace(/\r$/, '');
      if (line.trim() === name) {
        this.#lineStart = this.#at;
        this.#at = end;
        break;
      }
      lines.push(line);
      this.#at = end + 1;
      this.#line++;
    }
    const indent =
      dash === ''
        ? 0
        : Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length));
    return lines.map((line) => `${Number.isFinite(indent) ? line.slice(indent) : line}\n`).join('');
  }
}
