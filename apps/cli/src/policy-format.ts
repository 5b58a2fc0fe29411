import { parseHcl, plainValue } from '@coffer/config';

/**
 * Lays out a policy as `hclfmt` does: two spaces a level, one item a line, `=` below `=` in items that belong together.
 * Comments, heredocs and the spelling of texts stay.
 *
 * @throws ConfigError for text that is no HCL; Error if the result would not say the same, which must never happen
 */
export function formatPolicy(text: string, file: string): string {
  const meaning = JSON.stringify(plainValue(parseHcl(text, file)));
  const tokens = scan(text);
  const reader = new Reader(tokens);
  const formatted = `${printItems(reader.items(), '')}\n`.replace(/^\n$/, '');
  const comments = (all: readonly Token[]): number => all.filter(({ kind }) => kind === 'comment').length;
  if (
    JSON.stringify(plainValue(parseHcl(formatted, file))) !== meaning ||
    comments(scan(formatted)) !== comments(tokens)
  )
    throw new Error(`formatting would change what ${file} says; it was left as it is`);
  return formatted;
}

interface Token {
  readonly kind: 'word' | 'comment' | 'end' | '{' | '}' | '[' | ']' | '=' | ',';
  readonly text: string;
  /** Lines of the first and the last character. */
  readonly line: number;
  readonly lastLine: number;
}

/** One alternative a kind; the text was parsed before, so that what is left over is blank. */
const TOKEN =
  /(?<comment>#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)|(?<heredoc><<-?(?<tag>[^\s]+)\r?\n(?:[^\n]*\n)*?[ \t]*\k<tag>(?=\r?\n|$))|(?<sign>[{}[\]=,:])|(?<word>"(?:\\[^]|[^"\\])*"|[^\s{}[\]=,:#"]+)/gu;

function scan(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  const linesIn = (part: string): number => part.split('\n').length - 1;
  for (const match of text.replace(/^\uFEFF/, '').matchAll(TOKEN)) {
    line += linesIn(text.slice(at, match.index));
    const [found] = match;
    const lastLine = line + linesIn(found);
    const { comment, sign } = match.groups ?? {};
    const kind =
      comment !== undefined ? 'comment' : sign === undefined ? 'word' : sign === ':' ? '=' : (sign as Token['kind']);
    tokens.push({ kind, text: comment === undefined ? found : found.trimEnd(), line, lastLine });
    line = lastLine;
    at = match.index + found.length;
  }
  return tokens;
}

type Value =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'body'; readonly items: readonly Item[] }
  | { readonly kind: 'list'; readonly elements: readonly Element[]; readonly long: boolean };

interface Element {
  readonly before: readonly string[];
  readonly value: Value | undefined;
  readonly after: string | undefined;
}

interface Item extends Element {
  /** Comments that an empty line parts from what follows. */
  readonly apart: readonly string[];
  readonly keys: readonly string[];
  readonly block: boolean;
  readonly firstLine: number;
  readonly lastLine: number;
}

class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', line: 0, lastLine: 0 };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #comments(): readonly Token[] {
    const found: Token[] = [];
    while (this.#peek().kind === 'comment') found.push(this.#next());
    return found;
  }

  /** A comment that ends the line of what stands before it. */
  #commentAt(line: number): string | undefined {
    const token = this.#peek();
    return token.kind === 'comment' && token.line === line ? this.#next().text : undefined;
  }

  items(): readonly Item[] {
    const items: Item[] = [];
    for (;;) {
      const comments = this.#comments();
      const token = this.#peek();
      if (token.kind === 'end' || token.kind === '}') {
        if (comments.length > 0) items.push(loose(comments));
        return items;
      }
      items.push(this.#item(comments));
    }
  }

  #item(comments: readonly Token[]): Item {
    const { line: firstLine } = this.#peek();
    const keys: string[] = [];
    while (this.#peek().kind === 'word') keys.push(this.#next().text);
    const block = this.#peek().kind !== '=';
    if (!block) this.#next();
    const between = this.#comments().map(({ text }) => text);
    const value = this.#value();
    const lastLine = this.#tokens[this.#at - 1]?.lastLine ?? firstLine;
    if (this.#peek().kind === ',') this.#next();
    const after = this.#commentAt(lastLine);
    const cut = comments.findLastIndex(
      (comment, index) => (comments[index + 1]?.line ?? firstLine) > comment.lastLine + 1,
    );
    return {
      apart: comments.slice(0, cut + 1).map(({ text }) => text),
      before: [...comments.slice(cut + 1).map(({ text }) => text), ...between],
      keys,
      block,
      value,
      after,
      firstLine: comments[0]?.line ?? firstLine,
      lastLine,
    };
  }

  #value(): Value {
    const token = this.#next();
    if (token.kind === '{') {
      const items = this.items();
      this.#next();
      return { kind: 'body', items };
    }
    if (token.kind !== '[') return { kind: 'word', text: token.text };
    const elements: Element[] = [];
    for (;;) {
      const before = this.#comments().map(({ text }) => text);
      if (this.#peek().kind === ']') {
        if (before.length > 0) elements.push({ before, value: undefined, after: undefined });
        const { line } = this.#next();
        const commented = elements.some((one) => one.before.length > 0 || one.after !== undefined);
        return { kind: 'list', elements, long: line > token.line || commented };
      }
      const value = this.#value();
      const { lastLine = token.line } = this.#tokens[this.#at - 1] ?? {};
      const early = this.#commentAt(lastLine);
      if (this.#peek().kind === ',') this.#next();
      elements.push({ before, value, after: early ?? this.#commentAt(lastLine) });
    }
  }
}

/** Comments at the end of a body. */
function loose(comments: readonly Token[]): Item {
  const texts = comments.map(({ text }) => text);
  const [first, last] = [comments[0]?.line ?? 0, comments.at(-1)?.lastLine ?? 0];
  const nothing = { keys: [], block: false, value: undefined, after: undefined } as const;
  return { ...nothing, apart: [], before: texts, firstLine: first, lastLine: last };
}

const isHeredoc = (value: Value | undefined): boolean => value?.kind === 'word' && value.text.startsWith('<<');

const isShort = (item: Item): boolean =>
  item.apart.length === 0 &&
  item.value !== undefined &&
  !isHeredoc(item.value) &&
  !item.block &&
  (item.value.kind === 'word' ||
    (item.value.kind === 'list' && !item.value.long) ||
    (item.value.kind === 'body' && item.value.items.length === 0));

function printItems(items: readonly Item[], indent: string): string {
  let text = '';
  let run: Item[] = [];
  const flush = (): void => {
    if (run.length === 0) return;
    const width = Math.max(...run.map(({ keys }) => keys.join(' ').length));
    text += `${text === '' ? '' : '\n\n'}${run.map((item) => printItem(item, indent, width)).join('\n')}`;
    run = [];
  };
  for (const item of items) {
    const last = run.at(-1);
    if (last && !(isShort(last) && isShort(item) && item.firstLine <= last.lastLine + 1)) flush();
    run.push(item);
  }
  flush();
  return text;
}

function printItem(item: Item, indent: string, width: number): string {
  const apart = item.apart.length > 0 ? `${item.apart.map((comment) => indent + comment).join('\n')}\n\n` : '';
  const before = item.before.map((comment) => `${indent}${comment}`).join('\n');
  if (item.value === undefined) return apart + before;
  const keys = item.keys.join(' ');
  const sign = item.block ? ' ' : `${' '.repeat(Math.max(0, width - keys.length))} = `;
  const after = item.after === undefined ? '' : isHeredoc(item.value) ? `\n${indent}${item.after}` : ` ${item.after}`;
  return `${apart}${before === '' ? '' : `${before}\n`}${indent}${keys}${sign}${printValue(item.value, indent)}${after}`;
}

function printValue(value: Value, indent: string): string {
  const deeper = `${indent}  `;
  switch (value.kind) {
    case 'word':
      return value.text;
    case 'body':
      return value.items.length === 0 ? '{}' : `{\n${printItems(value.items, deeper)}\n${indent}}`;
    case 'list': {
      if (!value.long)
        return `[${value.elements.map((one) => (one.value ? printValue(one.value, indent) : '')).join(', ')}]`;
      if (value.elements.length === 0) return '[]';
      const lines = value.elements.flatMap((one) => [
        ...one.before.map((comment) => deeper + comment),
        ...(one.value
          ? [`${deeper}${printValue(one.value, deeper)},${one.after === undefined ? '' : ` ${one.after}`}`]
          : []),
      ]);
      return `[\n${lines.join('\n')}\n${indent}]`;
    }
  }
}
