import { ConfigError } from './ast.ts';
import type { Position } from './ast.ts';

export type TokenKind = 'identifier' | 'string' | 'number' | '{' | '}' | '[' | ']' | '=' | ',' | ':' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of strings, what they stand for. */
  readonly text: string;
  readonly at: Position;
}

/** The two grammars differ in comments, escapes, numbers, `=` and `:`. */
export type Grammar = 'hcl' | 'json';

const HCL_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
};
const JSON_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  b: '\b',
  f: '\f',
  '/': '/',
};
const PUNCTUATION: Readonly<Record<Grammar, ReadonlySet<string>>> = {
  hcl: new Set(['{', '}', '[', ']', '=', ',']),
  json: new Set(['{', '}', '[', ']', ':', ',']),
};
const NUMBERS: Readonly<Record<Grammar, RegExp>> = {
  hcl: /-?(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y,
  json: /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y,
};
const IDENTIFIER_START = /[\p{L}_]/u;
const IDENTIFIER_PART = /[\p{L}\p{Nd}_.-]/u;
/** A heredoc's name is cut off here when its end is looked for, so that a hostile one costs little. */
const HEREDOC_NAME_CHARS_MAX = 128;

/**
 * Splits HCL version 1 or JSON into tokens, by the rules of the scanner that Vault uses (hashicorp/hcl, branch v1), and
 * in time linear in the text.
 *
 * @throws ConfigError, and nothing else
 */
export class Lexer {
  readonly #text: string;
  readonly #file: string;
  readonly #grammar: Grammar;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string, grammar: Grammar) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.#file = file;
    this.#grammar = grammar;
    // A NUL ends texts in some programs and not in others: two readers would see two files.
    if (this.#text.includes('\0')) this.#refuseNul();
  }

  next(): Token {
    this.#skipBlank();
    const at = this.#position();
    const char = this.#text[this.#at];
    if (char === undefined) return { kind: 'end', text: '', at };
    if (PUNCTUATION[this.#grammar].has(char)) {
      this.#at++;
      return { kind: char as TokenKind, text: char, at };
    }
    if (char === '"') return { kind: 'string', text: this.#string(at), at };
    if (char === '<' && this.#grammar === 'hcl') return { kind: 'string', text: this.#heredoc(at), at };
    if (/[0-9.-]/.test(char)) return { kind: 'number', text: this.#number(at), at };
    if (IDENTIFIER_START.test(char)) return { kind: 'identifier', text: this.#identifier(), at };
    throw this.error(at, `expected a name or a value, found ${JSON.stringify(char)}`);
  }

  error(at: Position, text: string): ConfigError {
    return new ConfigError(this.#file, at, text);
  }

  #refuseNul(): never {
    const before = this.#text.slice(0, this.#text.indexOf('\0'));
    const line = before.split('\n').length;
    throw this.error({ line, column: before.length - before.lastIndexOf('\n') }, 'expected text, found a NUL byte');
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
      else if (this.#grammar === 'json') return;
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
    const pattern = NUMBERS[this.#grammar];
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.error(at, `expected a number, found ${JSON.stringify(this.#text[this.#at])}`);
    this.#at += found.length;
    const after = this.#text[this.#at];
    if (after !== undefined && IDENTIFIER_PART.test(after))
      throw this.error(at, 'expected a number; other texts, such as durations, need quotes');
    if (!Number.isFinite(numberValue(found)))
      throw this.error(at, `expected a number that fits, found ${found.slice(0, 40)}`);
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
        return text.toWellFormed();
      }
      if (char === '\\') {
        text += this.#text.slice(plain, this.#at) + this.#escape();
        plain = this.#at;
      } else if (char === '$' && this.#text[this.#at + 1] === '{' && this.#grammar === 'hcl') this.#skipTemplate(at);
      else if (char < ' ' && this.#grammar === 'json')
        throw this.error(this.#position(), 'expected an escape such as \\t in a string, found a control character');
      else this.#at++;
    }
  }

  /** `${ … }` is taken as it stands, quotes, line ends and inner braces included: HCL 1 leaves it to others. */
  #skipTemplate(at: Position): void {
    this.#at += 2;
    for (let depth = 1; depth > 0; this.#at++) {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.error(at, 'expected the end of ${ in this string: }');
      if (char === '\n') this.#newLine();
      if (char === '{') depth++;
      if (char === '}') depth--;
    }
  }

  #escape(): string {
    const kind = this.#text[this.#at + 1] ?? '';
    const values = this.#grammar === 'hcl' ? HCL_ESCAPES : JSON_ESCAPES;
    const value = Object.hasOwn(values, kind) ? values[kind] : undefined;
    if (value !== undefined) {
      this.#at += 2;
      return value;
    }
    if (kind === 'u') return this.#codePoint(2, 4, 16);
    if (this.#grammar === 'hcl') {
      if (kind === 'U') return this.#codePoint(2, 8, 16);
      if (kind === 'x') return this.#codePoint(2, 2, 16);
      if (/[0-7]/.test(kind)) return this.#codePoint(1, 3, 8);
    }
    throw this.error(this.#position(), `expected an escape such as \\n or \\", found ${JSON.stringify(`\\${kind}`)}`);
  }

  /** @param skip chars before the digits */
  #codePoint(skip: number, count: number, base: 8 | 16): string {
    const digits = this.#text.slice(this.#at + skip, this.#at + skip + count);
    const isNumber = digits.length === count && (base === 16 ? /^[0-9a-fA-F]+$/ : /^[0-7]+$/).test(digits);
    const code = isNumber ? Number.parseInt(digits, base) : Number.NaN;
    if (!(code <= (base === 8 ? 0xff : 0x10ffff))) {
      const kind = base === 8 ? 'octal' : 'hexadecimal';
      throw this.error(this.#position(), `expected ${String(count)} ${kind} digits of a character in this escape`);
    }
    this.#at += skip + count;
    // Halves of a pair become one character when they are joined.
    return code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code);
  }

  #heredoc(at: Position): string {
    const [head = '', dash = '', name = ''] =
      /^<<(-?)([\p{L}\p{Nd}_]+)\r?\n/u.exec(this.#text.slice(this.#at, this.#at + HEREDOC_NAME_CHARS_MAX)) ?? [];
    if (name === '') throw this.error(at, 'expected a name and a line end after <<, as in <<EOF');
    this.#at += head.length;
    this.#line++;
    const lines: string[] = [];
    for (;;) {
      if (this.#at >= this.#text.length)
        throw this.error(at, `expected a line with ${name} alone, the end of this text`);
      const found = this.#text.indexOf('\n', this.#at);
      const end = found === -1 ? this.#text.length : found;
      const line = this.#text.slice(this.#at, end).replace(/\r$/, '');
      const text = line.trimStart();
      if (text === name) {
        this.#lineStart = this.#at;
        this.#at = end;
        return joinHeredoc(lines, line.slice(0, line.length - name.length), dash !== '').toWellFormed();
      }
      lines.push(line);
      this.#at = end + 1;
      this.#line++;
    }
  }
}

/**
 * `<<-` takes the closing line's indent off every line, if all have it, else leaves them alone; `<<` keeps all, even the
 * blanks before its end (both as hashicorp/hcl does).
 */
function joinHeredoc(lines: readonly string[], indent: string, unindent: boolean): string {
  const isIndented = unindent && lines.every((line) => line.startsWith(indent));
  const text = lines.map((line) => `${isIndented ? line.slice(indent.length) : line}\n`).join('');
  return unindent ? text : text + indent;
}

/** What a number's text stands for: decimal, `0x1f` or, as in Go, octal `0640`. NaN if it is none, such as `08`. */
export function numberValue(text: string): number {
  const [, sign = '', digits = ''] = /^(-?)(.*)$/s.exec(text) ?? [];
  const value = /^0\d+$/.test(digits)
    ? /^0[0-7]+$/.test(digits)
      ? Number.parseInt(digits, 8)
      : Number.NaN
    : Number(digits);
  return sign === '-' ? -value : value;
}
