import { Document, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Node, ScalarTag } from 'yaml';
import { exactNumber } from '@coffer/api-client';

/** A number as it was written. */
class Exact {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const exactTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  identify: (value) => value instanceof Exact,
  resolve: (text) => new Exact(text),
  test: /(?!)/,
  stringify: ({ value }) => (value instanceof Exact ? value.text : String(value)),
};

/** Texts that YAML 1.1 would read as something else: nothing, truths, numbers, dates, numbers to base 60. */
const AMBIGUOUS = [
  /^(|~|null|Null|NULL|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE)$/,
  /^[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][-+]?\d+)?$/,
  /^[-+]?0([xX][\da-fA-F_]+|b[01_]+|o[0-7_]+)$/,
  /^[-+]?\.(inf|Inf|INF)$/,
  /^\.(nan|NaN|NAN)$/,
  /^\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?$/,
  /^[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?$/,
];

/** As Vault's YAML: keys sorted, lists not indented below their key. Numbers stay as the server wrote them. */
export function toYaml(value: unknown): string {
  const document = new Document(undefined, { version: '1.1', customTags: (tags) => [exactTag, ...tags] });
  document.contents = nodeOf(value, document);
  return document.toString({ indentSeq: false, lineWidth: 0, singleQuote: true }).trimEnd();
}

function nodeOf(value: unknown, document: Document): Node {
  const exact = exactNumber(value);
  if (exact !== undefined) return document.createNode(new Exact(exact)) as Node;
  if (typeof value === 'string') return textNode(value);
  if (Array.isArray(value)) {
    const list = new YAMLSeq();
    list.items = value.map((item) => nodeOf(item, document));
    return list;
  }
  if (typeof value !== 'object' || value === null) return new Scalar(value ?? null);
  const map = new YAMLMap();
  map.items = Object.entries(value)
    .sort(([a], [b]) => compareKeys([...a], [...b]))
    .map(([key, inner]) => new Pair(textNode(key), nodeOf(inner, document)));
  return map;
}

/** What could be read as something else stands in double quotes; what else needs quotes, in single ones. */
function textNode(text: string): Scalar {
  const node = new Scalar(text);
  if (AMBIGUOUS.some((pattern) => pattern.test(text)) || /(?!\n)\p{Cc}/u.test(text)) node.type = Scalar.QUOTE_DOUBLE;
  return node;
}

const isDigit = (char: string | undefined): boolean => char !== undefined && /^\d$/.test(char);

/** As Go's YAML orders keys: numbers in them by their value, letters behind all else. */
function compareKeys(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [x = '', y = ''] = [a[at], b[at]];
    if (x === y) continue;
    const [isLetterX, isLetterY] = [/\p{L}/u.test(x), /\p{L}/u.test(y)];
    if (isLetterX !== isLetterY) return isLetterY ? -1 : 1;
    if (!isLetterX) {
      const [m, n] = [numberAt(a, at), numberAt(b, at)];
      if (m.value !== n.value) return m.value < n.value ? -1 : 1;
      if (m.length !== n.length) return m.length - n.length;
    }
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** The digits from a place on; of a number that began before it, its whole value decides. */
function numberAt(chars: readonly string[], at: number): { readonly value: bigint; readonly length: number } {
  let end = at;
  while (isDigit(chars[end])) end++;
  let start = at;
  while (isDigit(chars[start - 1])) start--;
  return { value: BigInt(chars.slice(end > at ? start : at, end).join('') || '0'), length: end - at };
}
