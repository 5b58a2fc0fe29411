const GLUE = '    ';

/** Rows of cells in columns; empty cells say n/a. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map((cell) => cell.trim() || 'n/a'));
  const columns = Math.max(...shown.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...shown.map((row) => width(row[column] ?? ''))),
  );
  return shown
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - width(cell)),
        )
        .join(GLUE),
    )
    .join('\n');
}

/** With a line of dashes under the titles. */
export function titledTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return table([titles, titles.map((title) => '-'.repeat(title.length)), ...rows]);
}

/** The longest line of a cell, in characters. */
function width(cell: string): number {
  return Math.max(...cell.split('\n').map((line) => [...line].length));
}

/** `== Title ==`, as wide as the table below it. */
export function heading(title: string, below: string): string {
  const total = Math.max(...below.split('\n').map((line) => line.trimEnd().length));
  const equals = Math.max(2, Math.floor((total - title.length - 2) / 2));
  return `${'='.repeat(equals)} ${title} ${'='.repeat(equals)}`;
}
