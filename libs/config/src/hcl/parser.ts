import { ConfigError, HCL_LIMITS } from './ast.ts';
import type { HclItem, HclObject, HclValue } from './ast.ts';
import { Lexer } from './lexer.ts';
import type { Token, TokenKind } from './lexer.ts';

/**
 * Parses HCL version 1: `key = value`, `key "label" { … }`, lists, heredocs, comments.
 *
 * @param file named in errors
 * @throws ConfigError saying file, line, column and what was expected
 */
export function parseHcl(text: string, file = 'input'): HclObject {
  return new Parser(text, file).file();
}

/** Parses JSON with positions into the same form. @throws ConfigError */
export function parseJsonConfig(text: string, file = 'input'): HclObject {
  return new Parser(text, file).jsonFile();
}

/** JSON if it begins with `{`, else HCL, as Vault does it. @throws ConfigError */
export function parseHclOrJson(text: string, file = 'input'): HclObject {
  return text.trimStart().startsWith('{') ? parseJsonConfig(text, file) : parseHcl(text, file);
}

class Parser {
  readonly #lexer: Lexer;
  #token: Token;
  #depth = 0;
  #items = 0;

  constructor(text: string, file: string) {
    if (text.length > HCL_LIMITS.bytesMax)
      throw new ConfigError(file, undefined, `is larger than ${String(HCL_LIMITS.bytesMax)} bytes`);
    this.#lexer = new Lexer(text, file);
    this.#token = this.#lexer.next();
  }

  file(): HclObject {
    const { at } = this.#token;
    return { kind: 'object', items: this.#body('end'), at };
  }

  jsonFile(): HclObject {
    const value = this.#value();
    if (this.#token.kind !== 'end') throw this.#expected('the end of the file');
    if (value.kind !== 'object') throw this.#lexer.error(value.at, 'expected an object: {');
    return value;
  }

  #advance(): Token {
    const token = this.#token;
    this.#token = this.#lexer.next();
    return token;
  }

  #is(kind: TokenKind): boolean {
    return this.#token.kind === kind;
  }

  #expected(what: string): ConfigError {
    const { kind, text, at } = this.#token;
    const found = kind === 'end' ? 'the end' : kind === 'string' ? 'a string' : JSON.stringify(text);
    return this.#lexer.error(at, `expected ${what}, found ${found}`);
  }

  #body(end: 'end' | '}'): readonly HclItem[] {
    const items: HclItem[] = [];
    while (this.#token.kind !== end) {
      items.push(this.#item());
      if (this.#token.kind === ',') this.#advance();
    }
    return items;
  }

  #item(): HclItem {
    if (++this.#items > HCL_LIMITS.itemsMax)
      throw this.#lexer.error(this.#token.at, `more than ${String(HCL_LIMITS.itemsMax)} items`);
    const { kind, text: key, at } = this.#token;
    if (kind !== 'identifier' && kind !== 'string') throw this.#expected('a name');
    this.#advance();
    const labels: string[] = [];
    while (this.#token.kind === 'string' || this.#token.kind === 'identifier') labels.push(this.#advance().text);
    if (this.#token.kind === '{') return { key, labels, value: this.#object(), block: true, at };
    if (labels.length > 0) throw this.#expected('{ after the labels of a block');
    if (this.#token.kind !== '=' && this.#token.kind !== ':') throw this.#expected('= or {');
    this.#advance();
    return { key, labels, value: this.#value(), block: false, at };
  }

  #deeper<T>(parse: () => T): T {
    if (++this.#depth > HCL_LIMITS.depthMax)
      throw this.#lexer.error(this.#token.at, `more than ${String(HCL_LIMITS.depthMax)} levels of nesting`);
    const value = parse();
    this.#depth--;
    return value;
  }

  #object(): HclObject {
    const { at } = this.#advance();
    return this.#deeper(() => {
      const items = this.#body('}');
      this.#advance();
      return { kind: 'object', items, at };
    });
  }

  #list(): HclValue {
    const { at } = this.#advance();
    return this.#deeper(() => {
      const items: HclValue[] = [];
      while (this.#token.kind !== ']') {
        items.push(this.#value());
        if (++this.#items > HCL_LIMITS.itemsMax)
          throw this.#lexer.error(at, `more than ${String(HCL_LIMITS.itemsMax)} items`);
        if (this.#is(',')) this.#advance();
        else if (!this.#is(']')) throw this.#expected(', or ]');
      }
      this.#advance();
      return { kind: 'list', items, at };
    });
  }

  #value(): HclValue {
    const { kind, text, at } = this.#token;
    if (kind === '{') return this.#object();
    if (kind === '[') return this.#list();
    const scalar = this.#scalar(kind, text, at);
    if (!scalar) throw this.#expected('a value');
    this.#advance();
    return scalar;
  }

  #scalar(kind: TokenKind, text: string, at: HclValue['at']): HclValue | undefined {
    if (kind === 'string') return { kind: 'string', value: text, at };
    if (kind === 'number') return { kind: 'number', value: Number(text), text, at };
    if (kind === 'identifier' && (text === 'true' || text === 'false'))
      return { kind: 'bool', value: text === 'true', at };
    return kind === 'identifier' && text === 'null' ? { kind: 'null', at } : undefined;
  }
}
