import { ConfigError, HCL_LIMITS } from './ast.ts';
import type { HclItem, HclObject, HclValue, Position } from './ast.ts';
import { Lexer, numberValue } from './lexer.ts';
import type { Grammar, Token, TokenKind } from './lexer.ts';

/**
 * Parses HCL version 1: `key = value`, `key "label" { … }`, lists, heredocs, comments. A key that comes twice comes twice
 * in the result.
 *
 * @param file named in errors
 * @throws ConfigError saying file, line, column and what was expected
 */
export function parseHcl(text: string, file = 'input'): HclObject {
  return new Parser(text, file, 'hcl').hclFile();
}

/** Parses JSON (RFC 8259) with positions into the same form; no member is a block. @throws ConfigError */
export function parseJsonConfig(text: string, file = 'input'): HclObject {
  return new Parser(text, file, 'json').jsonFile();
}

/** JSON if it begins with `{`, else HCL, as Vault does it whatever the name of the file. @throws ConfigError */
export function parseHclOrJson(text: string, file = 'input'): HclObject {
  return text.trimStart().startsWith('{') ? parseJsonConfig(text, file) : parseHcl(text, file);
}

/** By recursive descent; depth and count are bounded before going down. */
class Parser {
  readonly #lexer: Lexer;
  readonly #file: string;
  readonly #grammar: Grammar;
  #token: Token;
  #depth = 0;
  #items = 0;

  constructor(text: string, file: string, grammar: Grammar) {
    if (text.length > HCL_LIMITS.charsMax)
      throw new ConfigError(file, undefined, `expected at most ${String(HCL_LIMITS.charsMax)} characters`);
    this.#file = file;
    this.#grammar = grammar;
    this.#lexer = new Lexer(text, file, grammar);
    this.#token = this.#lexer.next();
  }

  hclFile(): HclObject {
    const at = { line: 1, column: 1 };
    const items: HclItem[] = [];
    while (!this.#is('end')) {
      items.push(this.#hclItem());
      if (this.#is(',')) this.#advance();
    }
    return { kind: 'object', items, at };
  }

  jsonFile(): HclObject {
    if (!this.#is('{')) throw this.#expected('an object: {');
    const object = this.#object();
    if (!this.#is('end')) throw this.#expected('the end of the file');
    return object;
  }

  #advance(): Token {
    const token = this.#token;
    this.#token = this.#lexer.next();
    return token;
  }

  #is(kind: TokenKind): boolean {
    return this.#token.kind === kind;
  }

  /** Values of strings are not told: they may be secrets. */
  #expected(what: string): ConfigError {
    const { kind, text, at } = this.#token;
    const found = kind === 'end' ? 'the end of the file' : kind === 'string' ? 'a string' : JSON.stringify(text);
    return this.#lexer.error(at, `expected ${what}, found ${found.slice(0, 60)}`);
  }

  #count(at: Position): void {
    if (++this.#items > HCL_LIMITS.itemsMax)
      throw new ConfigError(this.#file, at, `expected at most ${String(HCL_LIMITS.itemsMax)} members and values`);
  }

  #hclItem(): HclItem {
    const { kind, text: key, at } = this.#token;
    this.#count(at);
    if (kind !== 'identifier' && kind !== 'string') throw this.#expected('a name');
    this.#advance();
    const labels: string[] = [];
    while (this.#is('string') || this.#is('identifier')) {
      this.#count(this.#token.at);
      labels.push(this.#advance().text);
    }
    if (this.#is('{')) return { key, labels, value: this.#object(), block: true, at };
    if (labels.length > 0) throw this.#expected('{ after the labels of a block');
    if (!this.#is('=')) throw this.#expected(`= or { after "${key.slice(0, 60)}"`);
    this.#advance();
    return { key, labels, value: this.#value(), block: false, at };
  }

  #jsonItem(): HclItem {
    const { kind, text: key, at } = this.#token;
    this.#count(at);
    if (kind !== 'string') throw this.#expected('a name in quotes');
    this.#advance();
    if (!this.#is(':')) throw this.#expected(`: after "${key.slice(0, 60)}"`);
    this.#advance();
    return { key, labels: [], value: this.#value(), block: false, at };
  }

  #deeper(at: Position): void {
    if (++this.#depth > HCL_LIMITS.depthMax)
      throw new ConfigError(this.#file, at, `expected at most ${String(HCL_LIMITS.depthMax)} levels of nesting`);
  }

  #object(): HclObject {
    const { at } = this.#token;
    this.#deeper(at);
    this.#advance();
    const items: HclItem[] = [];
    while (!this.#is('}')) {
      items.push(this.#grammar === 'json' ? this.#jsonItem() : this.#hclItem());
      if (this.#grammar === 'hcl') {
        if (this.#is(',')) this.#advance();
      } else this.#separate('}');
    }
    this.#advance();
    this.#depth--;
    return { kind: 'object', items, at };
  }

  #list(): HclValue {
    const { at } = this.#token;
    this.#deeper(at);
    this.#advance();
    const items: HclValue[] = [];
    while (!this.#is(']')) {
      this.#count(this.#token.at);
      items.push(this.#value());
      this.#separate(']');
    }
    this.#advance();
    this.#depth--;
    return { kind: 'list', items, at };
  }

  /** A comma, or the end; a comma before the end is allowed in HCL's lists only. */
  #separate(end: ']' | '}'): void {
    if (this.#is(end)) return;
    if (!this.#is(',')) throw this.#expected(`, or ${end}`);
    this.#advance();
    if (this.#grammar === 'json' && this.#is(end)) throw this.#expected(end === ']' ? 'a value' : 'a name in quotes');
  }

  #value(): HclValue {
    const { kind, text, at } = this.#token;
    if (kind === '{') return this.#object();
    if (kind === '[') return this.#list();
    const scalar = this.#scalar(kind, text, at);
    if (!scalar) throw this.#expected(kind === 'identifier' ? 'a value (texts need quotes)' : 'a value');
    this.#advance();
    return scalar;
  }

  #scalar(kind: TokenKind, text: string, at: Position): HclValue | undefined {
    if (kind === 'string') return { kind: 'string', value: text, at };
    if (kind === 'number') return { kind: 'number', value: numberValue(text), text, at };
    if (kind !== 'identifier') return undefined;
    if (text === 'true' || text === 'false') return { kind: 'bool', value: text === 'true', at };
    return text === 'null' && this.#grammar === 'json' ? { kind: 'null', at } : undefined;
  }
}
