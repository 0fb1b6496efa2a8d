/** One column of a table of `T`: its heading and what it shows of a row. */
export interface Column<T> {
  readonly heading: string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
  /** Changes by itself as time passes: no reason to print a row again. */
  readonly ticks?: boolean;
  readonly show: (row: T) => string;
}

/** Lays rows out under their headings. Widths only grow, so that rows printed later stay aligned. */
export class Table<T> {
  readonly #columns: readonly Column<T>[];
  readonly #widths: number[];

  constructor(columns: readonly Column<T>[]) {
    this.#columns = columns;
    this.#widths = columns.map(({ heading }) => heading.length);
  }

  heading(): string {
    return this.#line(this.#columns.map(({ heading }) => heading));
  }

  /** One line for each row, aligned with each other and with what was printed before. */
  lines(rows: readonly T[]): string[] {
    const cells = rows.map((row) => this.#columns.map(({ show }) => oneLine(show(row))));
    for (const row of cells) {
      for (const [index, cell] of row.entries()) this.#widths[index] = Math.max(this.#widths[index] ?? 0, cell.length);
    }
    return cells.map((row) => this.#line(row));
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, index) => cell.padEnd(this.#widths[index] ?? 0));
    return `${padded.join('  ').trimEnd()}\n`;
  }
}

// A value may hold anything: a line break must not break the table, nor a control character the terminal.
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim() || '-';

/** A whole table as text. */
export function printTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const table = new Table(columns);
  const lines = table.lines(rows);
  return table.heading() + lines.join('');
}
