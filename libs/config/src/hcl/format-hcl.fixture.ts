import type { HclItem, HclObject, HclValue } from './ast.ts';

/** Writes HCL, so that specs can see whether the parser reads it back as it was: two spaces a level, one item a line, no comments. */
export function formatHcl(file: HclObject): string {
  return `${file.items.map((item) => formatItem(item, '')).join('\n\n')}\n`;
}

function formatItem(item: HclItem, indent: string): string {
  const name = /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(item.key) ? item.key : quote(item.key);
  const labels = item.labels.map((label) => ` ${quote(label)}`).join('');
  if (item.block && item.value.kind === 'object') return `${indent}${name}${labels} ${formatBody(item.value, indent)}`;
  return `${indent}${name} = ${formatValue(item.value, indent)}`;
}

function formatBody(body: HclObject, indent: string): string {
  if (body.items.length === 0) return '{}';
  return `{\n${body.items.map((item) => formatItem(item, `${indent}  `)).join('\n')}\n${indent}}`;
}

function formatValue(value: HclValue, indent: string): string {
  switch (value.kind) {
    case 'string':
      return quote(value.value);
    case 'number':
      return value.text;
    case 'bool':
      return String(value.value);
    case 'null':
      // HCL has none; hashicorp/hcl reads JSON's as an empty text.
      return '""';
    case 'list':
      return `[${value.items.map((item) => formatValue(item, indent)).join(', ')}]`;
    case 'object':
      return formatBody(value, indent);
  }
}

/** `${ … }` stands in HCL as it is; one that is never closed has its `$` escaped. All else as in JSON. */
function quote(text: string): string {
  let written = '';
  let plain = 0;
  for (let at = text.indexOf('${'); at !== -1; at = text.indexOf('${', plain)) {
    const end = endOfTemplate(text, at);
    written += escape(text.slice(plain, at));
    if (end === -1) return `"${written}${escape(text.slice(at)).replaceAll('$', '\\u0024')}"`;
    written += text.slice(at, end);
    plain = end;
  }
  return `"${written}${escape(text.slice(plain))}"`;
}

function escape(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** @returns where the text after `}` begins, or -1 */
function endOfTemplate(text: string, start: number): number {
  let depth = 1;
  for (let at = start + 2; at < text.length; at++) {
    if (text[at] === '{') depth++;
    if (text[at] === '}' && --depth === 0) return at + 1;
  }
  return -1;
}
