import { printYaml } from '../schema/yaml.ts';
import type { OutputFormat } from './output-format.ts';
import type { Resource } from './resources/resource.ts';
import { type Column, Table } from './table.ts';
import type { World } from './world.ts';

/** Prints rows of one kind: once, or again whenever they change. */
export class ResourcePrinter<Row> {
  readonly #kind: Resource<Row>;
  readonly #format: OutputFormat;
  readonly #world: World;
  readonly #columns: readonly Column<Row>[];
  readonly #table: Table<Row>;
  /** How each row looked when it was last printed, without what changes by itself. */
  readonly #looks = new Map<string, string>();
  #headed = false;

  constructor(kind: Resource<Row>, format: OutputFormat, world: World) {
    this.#kind = kind;
    this.#format = format;
    this.#world = world;
    this.#columns = kind.columns(world.clock.now).filter(({ wide }) => !wide || format === 'wide');
    this.#table = new Table(this.#columns);
  }

  print(rows: readonly Row[]): void {
    const { stdout } = this.#world;
    if (this.#format === 'name') for (const row of rows) stdout.write(`${this.#kind.id(row)}\n`);
    else if (this.#format === 'json') for (const row of rows) stdout.write(`${JSON.stringify(this.#kind.json(row))}\n`);
    else if (this.#format === 'yaml') for (const row of rows) stdout.write(`---\n${printYaml(this.#kind.json(row))}`);
    else this.#printLines(rows);
  }

  /** Prints those rows that are new or differ from when they were last printed here. */
  printChanged(rows: readonly Row[]): void {
    const before = new Map(this.#looks);
    this.#looks.clear();
    for (const row of rows) this.#looks.set(this.#kind.id(row), this.#look(row));
    this.print(rows.filter((row) => before.get(this.#kind.id(row)) !== this.#looks.get(this.#kind.id(row))));
  }

  #printLines(rows: readonly Row[]): void {
    if (rows.length === 0) return;
    // Before the heading, which takes its widths from them.
    const lines = this.#table.lines(rows);
    if (!this.#headed) this.#world.stdout.write(this.#table.heading());
    this.#headed = true;
    for (const line of lines) this.#world.stdout.write(line);
  }

  #look(row: Row): string {
    if (this.#format === 'json' || this.#format === 'yaml') return JSON.stringify(this.#kind.json(row));
    return this.#columns.map(({ ticks, show }) => (ticks ? '' : show(row))).join('\t');
  }
}
