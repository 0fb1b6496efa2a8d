import type { Parsed } from '../../schema/parsed.ts';
import type { KeyRange } from '../../store/store.ts';
import type { Herd } from '../herd.ts';
import type { Column } from '../table.ts';

/** One kind of thing that `pgherd get` shows. */
export interface Resource<Row> {
  /** What it is called: plural first, then singular and short names. */
  readonly names: readonly [plural: string, ...others: string[]];
  /** Where in the store it is found. */
  readonly ranges: readonly KeyRange[];
  /** All of them, in the order in which they are shown. */
  readonly rows: (herd: Herd) => readonly Row[];
  readonly id: (row: Row) => string;
  /** Whether `pgherd get <kind> NAME` shows it. */
  readonly matches: (row: Row, name: string) => boolean;
  readonly columns: (now: () => number) => readonly Column<Row>[];
  /** What people should know besides the rows, as sentences. */
  readonly remarks?: (herd: Herd) => readonly string[];
  /** What `-o json` and `-o yaml` show: everything that is known, without passwords. */
  readonly json: (row: Row) => unknown;
}

/** A value for JSON output, or what is wrong with it. */
export function readable<T>(parsed: Parsed<T> | undefined): T | { readonly unreadable: string } | undefined {
  if (parsed === undefined) return undefined;
  return parsed.ok ? parsed.value : { unreadable: parsed.problem };
}
