import type { HclItem, HclObject, HclValue } from './ast.ts';

/** Writes HCL as `hclfmt` lays it out: two spaces a level, one item a line. Comments are not kept. */
export function formatHcl(file: HclObject): string {
  return `${file.items.map((item) => formatItem(item, '')).join('\n\n')}\n`;
}

function formatItem(item: HclItem, indent: string): string {
  const name = /^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(item.key) ? item.key : JSON.stringify(item.key);
  const labels = item.labels.map((label) => ` ${JSON.stringify(label)}`).join('');
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
      return JSON.stringify(value.value);
    case 'number':
      return value.text;
    case 'bool':
      return String(value.value);
    case 'null':
      return 'null';
    case 'list':
      return `[${value.items.map((item) => formatValue(item, indent)).join(', ')}]`;
    case 'object':
      return formatBody(value, indent);
  }
}
